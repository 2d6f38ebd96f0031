/**
 * Checks that a manifest and the job it names belong together, before anything is started: every
 * source and sink has its counterpart, settings name operators that exist, files are there.
 */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { nearestName } from '../../config/nearest.ts'
import type { ResolvedManifest } from '../../config/manifest.ts'
import { reasonOf } from '../errors.ts'
import type { JobDefinition } from '../pipeline/job.ts'
import { nodesOf } from '../pipeline/graph.ts'
import type { NodeOf } from '../pipeline/graph.ts'
import { layoutOf } from './job-layout.ts'
import { connectionsOf } from './manifest-connections.ts'
import { fileProblem } from '../source/file-chunks.ts'
import { matchingFiles } from '../source/file-source.ts'

/** A problem at a field of the manifest. */
export interface JobProblem {
  readonly path: readonly string[]
  readonly message: string
}

/** Every problem found; none when the job can be started as far as this machine can tell. */
export async function checkJob(
  manifest: ResolvedManifest,
  definition: JobDefinition,
): Promise<JobProblem[]> {
  const sources = nodesOf(definition.graph, 'source')
  const sinks = nodesOf(definition.graph, 'sink')
  return [
    ...checkNames('sources', 'source', namesOf(sources), [...manifest.sources.keys()]),
    ...checkNames('sinks', 'sink', namesOf(sinks), [...manifest.sinks.keys()]),
    ...checkOperators(manifest, definition),
    ...checkEventTimes(manifest, sources),
    ...checkTables(manifest, sinks),
    ...checkOutputs(manifest),
    ...checkProcesses(manifest, definition),
    ...(await checkInputFiles(manifest)),
    ...(await checkSecretFiles(manifest)),
  ]
}

const namesOf = (nodes: readonly { readonly name: string }[]): string[] =>
  nodes.map((node) => node.name)

/** Each process has a task at least. */
function checkProcesses(manifest: ResolvedManifest, { graph }: JobDefinition): JobProblem[] {
  const { processes, parallelism } = manifest
  if (processes === 1) return []
  const tasks = layoutOf(graph, manifest).tasks.length
  if (processes <= tasks) return []
  const has = tasks === 1 ? '1 task' : `${tasks} tasks`
  const message = `is ${processes}, and the job has ${has} with parallelism ${parallelism}; write at most ${tasks}, or a higher parallelism ('millrace plan' shows the tasks)`
  return [{ path: ['processes'], message }]
}

function checkNames(
  field: string,
  what: string,
  inJob: readonly string[],
  inManifest: readonly string[],
): JobProblem[] {
  const problems: JobProblem[] = []
  for (const name of inJob) {
    if (inManifest.includes(name)) continue
    const near = nearestName(name, inManifest)
    const hint = near === undefined ? `add it` : `add it, or rename '${near}'`
    const message = `the job has a ${what} '${name}', which is not here; ${hint}`
    problems.push({ path: [field], message })
  }
  for (const name of inManifest) {
    if (inJob.includes(name)) continue
    const known = inJob.length === 0 ? 'it has none' : `it has ${inJob.join(', ')}`
    const message = `the job has no ${what} '${name}' (${known}); remove it, or use it in the job`
    problems.push({ path: [field, name], message })
  }
  return problems
}

function checkOperators(manifest: ResolvedManifest, { graph }: JobDefinition): JobProblem[] {
  const known = [...namesOf(nodesOf(graph, 'keyed')), ...namesOf(nodesOf(graph, 'step'))]
  return [...manifest.operators.keys()]
    .filter((name) => !known.includes(name))
    .map((name) => ({
      path: ['operators', name],
      message: `the job has no operator '${name}'; it has ${known.join(', ')}`,
    }))
}

function checkEventTimes(
  manifest: ResolvedManifest,
  nodes: readonly NodeOf<'source'>[],
): JobProblem[] {
  const problems: JobProblem[] = []
  for (const [name, { input, eventTime }] of manifest.sources) {
    const node = nodes.find((candidate) => candidate.name === name)
    if (node === undefined) continue
    const isSaid = eventTime.field !== undefined || eventTime.from !== undefined
    if (node.time !== undefined && isSaid) {
      const message = `the job's own function gives the event time of this source; remove field and from`
      problems.push({ path: ['sources', name, 'eventTime'], message })
    }
    if (node.watermarks !== undefined && eventTime.watermarkField !== undefined) {
      const message = `the job has watermarks of its own for this source; remove watermarkField`
      problems.push({ path: ['sources', name, 'eventTime', 'watermarkField'], message })
    }
    const isTimeless = input.kind === 'file' || input.kind === 'generator'
    if (node.time === undefined && !isSaid && isTimeless) {
      const message = `needs eventTime: {field: …}, since its records carry no time of their own ({from: log} takes the time at which reading started)`
      problems.push({ path: ['sources', name], message })
    }
  }
  return problems
}

function checkTables(manifest: ResolvedManifest, nodes: readonly NodeOf<'sink'>[]): JobProblem[] {
  return nodes
    .filter((node) => !node.keyed && manifest.sinks.get(node.name)?.kind === 'table')
    .map((node) => ({
      path: ['sinks', node.name],
      message: `a table has a row a key, and the stream before this sink has none; use keyBy before it, or another kind of sink`,
    }))
}

/** Two writers of one file, or a job that reads what it writes, would destroy it. */
function checkOutputs(manifest: ResolvedManifest): JobProblem[] {
  const problems: JobProblem[] = []
  const users = new Map<string, string>()
  for (const [name, { input }] of manifest.sources) {
    if (input.kind === 'file') users.set(input.path, `sources.${name} reads it`)
  }
  const sinks = [...manifest.sinks].map(([name, sink]) => ({ path: ['sinks', name], sink }))
  if (manifest.deadLetter !== undefined) {
    sinks.push({ path: ['deadLetter'], sink: manifest.deadLetter })
  }
  for (const { path, sink } of sinks) {
    if (sink.kind !== 'file') continue
    const user = users.get(sink.path)
    if (user !== undefined) {
      const message = `cannot write ${sink.path}: ${user}; choose another file`
      problems.push({ path: [...path, 'file', 'path'], message })
    }
    users.set(sink.path, `${path.join('.')} writes it`)
  }
  return problems
}

async function checkInputFiles(manifest: ResolvedManifest): Promise<JobProblem[]> {
  const problems: JobProblem[] = []
  for (const [name, { input }] of manifest.sources) {
    if (input.kind !== 'file') continue
    const path = ['sources', name, 'file', 'path']
    try {
      for (const file of await matchingFiles(input.path)) await checkReadable(file)
    } catch (error) {
      problems.push({ path, message: reasonOf(error) })
    }
  }
  return problems
}

/** @throws ConfigError that says what is wrong with the file. */
async function checkReadable(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK)
  } catch (error) {
    throw fileProblem(file, error)
  }
}

async function checkSecretFiles(manifest: ResolvedManifest): Promise<JobProblem[]> {
  const problems: JobProblem[] = []
  for (const { path, connection } of connectionsOf(manifest)) {
    const { credentials, tls } = connection
    const files = { credentials, 'tls.ca': tls?.ca, 'tls.cert': tls?.cert, 'tls.key': tls?.key }
    for (const [field, file] of Object.entries(files)) {
      if (file === undefined) continue
      try {
        await checkReadable(file)
      } catch (error) {
        problems.push({ path: [...path, ...field.split('.')], message: reasonOf(error) })
      }
    }
  }
  return problems
}
