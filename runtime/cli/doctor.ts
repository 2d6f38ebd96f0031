/** `millrace doctor`: looks for what would keep a job from running here, and says what to do. */
import { mkdtemp, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ConfigError, reasonOf } from '../errors.ts'
import { jetStreamOptions } from '../job/connections.ts'
import type { Finding, NatsCheckOptions, StreamUse } from '../job/doctor-nats.ts'
import { connectionsOf } from '../job/manifest-connections.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import type { SourceBounds } from '../time/bounds.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { boundText, counted, typedPath } from './figures.ts'
import type { CliIo } from './io.ts'
import type { CliServices } from './services.ts'
import { loadTarget } from './target.ts'
import type { Target, TargetFlags } from './target.ts'

const NODE_VERSION_MIN = [20, 19] as const
/** With less free than this a job is likely to fill its disk soon. */
const FREE_BYTES_WARNING = 1_000_000_000
const FREE_BYTES_PROBLEM = 100_000_000

const MARKS = { ok: 'ok     ', warning: 'warning', problem: 'problem' } as const

/** Prints its findings; the exit code says whether one of them is a problem. */
export async function doctor(
  io: CliIo,
  services: CliServices,
  path: string | undefined,
  flags: TargetFlags,
): Promise<ExitCode> {
  let hasProblem = false
  const tell = (findings: readonly Finding[]): void => {
    for (const { level, what, todo } of findings) {
      hasProblem ||= level === 'problem'
      io.out(`${MARKS[level]}  ${what}${todo === undefined ? '' : `; ${todo}`}\n`)
    }
  }
  tell([checkNode(process.versions.node)])
  if (path === undefined) {
    tell(await checkFolder(io, io.workingDir))
    return hasProblem ? EXIT.configuration : EXIT.ok
  }
  const target = await targetOf(io, path, flags)
  if ('finding' in target) {
    tell([target.finding])
    return EXIT.configuration
  }
  tell([{ level: 'ok', what: `job '${target.job}' is valid` }])
  tell(await checkFolder(io, await nearestFolder(target.stateDir)))
  tell(await checkState(io, services, target))
  tell(await checkConnections(io, services, target))
  return hasProblem ? EXIT.configuration : EXIT.ok
}

async function targetOf(
  io: CliIo,
  path: string,
  flags: TargetFlags,
): Promise<Target | { readonly finding: Finding }> {
  try {
    return await loadTarget(io, path, flags)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { finding: { level: 'problem', what: reasonOf(error) } }
  }
}

/** Whether this version of Node is one the package is made for. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin, minorMin] = NODE_VERSION_MIN
  if (major > majorMin || (major === majorMin && minor >= minorMin)) {
    return { level: 'ok', what: `Node.js ${version}` }
  }
  const what = `Node.js ${version} is too old`
  return { level: 'problem', what, todo: `install ${NODE_VERSION_MIN.join('.')} or newer` }
}

/** Whether state can be kept in a folder: LMDB is tried there, for it does not work everywhere. */
async function checkFolder(io: CliIo, folder: string): Promise<Finding[]> {
  const shown = typedPath(folder, io.workingDir)
  return [await checkLmdb(folder, shown), await checkSpace(folder, shown)]
}

async function checkLmdb(folder: string, shown: string): Promise<Finding> {
  let trial: string | undefined
  try {
    trial = await mkdtemp(join(folder, '.millrace-doctor-'))
    const store = new LmdbStore(trial)
    await store.commit((writer) => writer.put('meta', Buffer.from('a'), Buffer.from('b')))
    await store.flushed()
    await store.close()
    return { level: 'ok', what: `LMDB loads, and ${shown} is writable` }
  } catch (error) {
    const what = `state cannot be kept in ${shown}: ${reasonOf(error)}`
    const todo = `make it writable, or choose a folder on a local disk with --state (${tmpdir()} works for a try)`
    return { level: 'problem', what, todo }
  } finally {
    if (trial !== undefined) await rm(trial, { recursive: true, force: true })
  }
}

async function checkSpace(folder: string, shown: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder)
  const freeBytes = bavail * bsize
  const what = `${(freeBytes / 1_000_000_000).toFixed(1)} GB free in ${shown}`
  if (freeBytes >= FREE_BYTES_WARNING) return { level: 'ok', what }
  const level = freeBytes < FREE_BYTES_PROBLEM ? 'problem' : 'warning'
  return { level, what, todo: 'make room, or choose another folder with --state' }
}

async function checkState(io: CliIo, services: CliServices, target: Target): Promise<Finding[]> {
  const shown = typedPath(target.stateDir, io.workingDir)
  if ((await stat(target.stateDir).catch(() => undefined)) === undefined) {
    return [{ level: 'ok', what: `no state in ${shown} yet` }]
  }
  try {
    const reader = await services.openStateReader(target.stateDir)
    const { epoch, bounds } = reader
    await reader.close()
    const behind = bounds.filter(({ keepingAllMs }) => keepingAllMs > 0)
    return [
      { level: 'ok', what: `state in ${shown} is at epoch ${epoch}` },
      ...behind.map((source) => boundsFinding(source)),
    ]
  } catch (error) {
    return [{ level: 'problem', what: `state in ${shown} cannot be read: ${reasonOf(error)}` }]
  }
}

/** How far behind the newest a source's records have come: what a bound can be chosen by. */
function boundsFinding(bounds: SourceBounds): Finding {
  const { source, records, keeping99Ms, keeping999Ms, keepingAllMs } = bounds
  const [most, nearlyAll, all] = [keeping99Ms, keeping999Ms, keepingAllMs].map(boundText)
  const what = `of ${counted(records, 'record')} of ${source}, outOfOrder ${most} keeps 99 % in time, ${nearlyAll} 99.9 %, ${all} all`
  return { level: 'ok', what }
}

/** Asks every server of the manifest once, however many sources and sinks name it. */
async function checkConnections(
  io: CliIo,
  services: CliServices,
  target: Target,
): Promise<Finding[]> {
  const asked = new Map<
    string,
    { readonly options: NatsCheckOptions; readonly uses: readonly StreamUse[] }
  >()
  for (const { connection, use } of connectionsOf(target.loaded.manifest)) {
    const id = JSON.stringify(connection)
    const uses = asked.get(id)?.uses ?? []
    asked.set(id, { options: jetStreamOptions(connection, io.clock), uses: [...uses, use] })
  }
  const findings: Finding[] = []
  for (const { options, uses } of asked.values()) {
    findings.push(...(await services.checkNats({ ...options, streams: uses })))
  }
  return findings
}

async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) return path
  const parent = dirname(path)
  if (parent === path) return path
  const nearest = await nearestFolder(parent)
  return nearest
}
