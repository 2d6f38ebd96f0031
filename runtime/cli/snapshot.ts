/** `millrace snapshot …`: takes, shows, checks, copies and removes snapshots of a job. */
import { join, resolve } from 'node:path'
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError, StateError } from '../errors.ts'
import { askJob } from '../job/control-socket.ts'
import { openSnapshotStore } from '../job/open-snapshot-store.ts'
import { loadJob } from '../job/load-job.ts'
import { holderOf } from '../job/state-lock.ts'
import { snapshotStopped } from '../job/stopped-snapshot.ts'
import { standingOn } from '../snapshot/chain.ts'
import { copySnapshot } from '../snapshot/copy-snapshot.ts'
import { FolderStore } from '../snapshot/folder-store.ts'
import { snapshotsOf } from '../snapshot/retention.ts'
import { bytesOf, partsOf, type SnapshotManifest } from '../snapshot/snapshot.ts'
import type { SnapshotStore } from '../snapshot/snapshot-store.ts'
import { readManifestOf, verifySnapshot } from '../snapshot/verify-snapshot.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { bytesText, counted } from './figures.ts'
import type { CliIo } from './io.ts'
import { createLogger } from './logger.ts'
import { loadTargetManifest } from './target.ts'
import type { TargetFlags } from './target.ts'

interface SnapshotTarget {
  readonly manifest: ResolvedManifest
  readonly job: string
  readonly stateDir: string
  readonly store: SnapshotStore
}

/** Takes one now, of a running job or of one that does not run. */
export async function snapshotCreate(
  io: CliIo,
  path: string,
  flags: TargetFlags,
): Promise<ExitCode> {
  return await withTarget(io, path, flags, async ({ manifest, job, stateDir }) => {
    const context = { clock: io.clock, log: createLogger(io, 'warn') }
    const isRunning = holderOf(stateDir) !== undefined
    const taken = isRunning
      ? ((await askJob(stateDir, 'snapshot')) as SnapshotManifest | 'unchanged')
      : await snapshotStopped({ manifest, job, stateDir, context })
    io.out(
      taken === 'unchanged' ? 'nothing has changed since the newest snapshot\n' : lineOf(taken),
    )
    return EXIT.ok
  })
}

/** Lists a job's snapshots, the newest first. */
export async function snapshotLs(io: CliIo, path: string, flags: TargetFlags): Promise<ExitCode> {
  return await withTarget(io, path, flags, async ({ store, job }) => {
    const ids = (await snapshotsOf(store, job)).toReversed()
    if (ids.length === 0) io.err(`there is no snapshot of ${job} in ${store.where}\n`)
    for (const id of ids) {
      const manifest = await readManifestOf(store, id).catch((error: unknown) => {
        if (error instanceof StateError) return undefined
        throw error
      })
      io.out(manifest === undefined ? `${id}  damaged\n` : lineOf(manifest))
    }
    return EXIT.ok
  })
}

/** Prints what a snapshot says about itself, as JSON. */
export async function snapshotInspect(
  io: CliIo,
  path: string,
  id: string,
  flags: TargetFlags,
): Promise<ExitCode> {
  return await withTarget(io, path, flags, async (target) => {
    const manifest = await readManifestOf(target.store, await idOf(target, id))
    io.out(`${JSON.stringify(manifest, undefined, 2)}\n`)
    return EXIT.ok
  })
}

/** Checks every part of one snapshot, or of all. @throws StateError with every problem. */
export async function snapshotVerify(
  io: CliIo,
  path: string,
  id: string | undefined,
  flags: TargetFlags,
): Promise<ExitCode> {
  return await withTarget(io, path, flags, async (target) => {
    const { store, job } = target
    const ids = id === undefined ? await snapshotsOf(store, job) : [await idOf(target, id)]
    const problems = new Set<string>()
    const checked = new Map<string, readonly string[]>()
    for (const each of ids) {
      const found = await verifySnapshot(store, each, io.clock, checked)
      for (const problem of found) problems.add(problem)
      io.out(`${each}  ${found.length === 0 ? 'whole' : 'damaged'}\n`)
    }
    if (problems.size > 0) throw new StateError([...problems].join('\n'))
    return EXIT.ok
  })
}

export async function snapshotRm(
  io: CliIo,
  path: string,
  id: string,
  flags: TargetFlags,
): Promise<ExitCode> {
  return await withTarget(io, path, flags, async ({ store }) => {
    // Removing what is not there is a mistake of the name.
    await store.readManifest(id)
    const standing = await standingOn(store, id)
    if (standing.length > 0) {
      throw new StateError(
        `${id} was not removed: ${standing.join(', ')} stand on it. Remove the newest of them first.`,
      )
    }
    await store.remove(id)
    io.out(`${id}  removed\n`)
    return EXIT.ok
  })
}

/** Copies a snapshot, and what it stands on, into another folder, checking it on its way. */
export async function snapshotCopy(
  io: CliIo,
  path: string,
  id: string,
  flags: TargetFlags & { readonly to: string },
): Promise<ExitCode> {
  return await withTarget(io, path, flags, async (target) => {
    const found = await idOf(target, id)
    const to = new FolderStore(resolve(io.workingDir, flags.to))
    await copySnapshot(target.store, to, found, io.clock)
    io.out(`${found}  copied to ${to.where}\n`)
    return EXIT.ok
  })
}

/** Acts on a job's snapshots, and lets go of where they are kept. */
async function withTarget(
  io: CliIo,
  path: string,
  flags: TargetFlags,
  act: (target: SnapshotTarget) => Promise<ExitCode>,
): Promise<ExitCode> {
  const target = await targetOf(io, path, flags)
  try {
    return await act(target)
  } finally {
    await target.store.close()
  }
}

/** @throws ConfigError when the manifest does not say where snapshots are kept. */
export async function refuseWithoutSnapshots(
  io: CliIo,
  path: string,
  flags: TargetFlags,
): Promise<void> {
  await withTarget(io, path, flags, async () => await Promise.resolve(EXIT.ok))
}

async function targetOf(io: CliIo, path: string, flags: TargetFlags): Promise<SnapshotTarget> {
  const { loaded, folder } = await loadTargetManifest(io, path, flags)
  const { manifest } = loaded
  const store = await openSnapshotStore(manifest, io.clock)
  if (store === undefined) {
    throw new ConfigError(
      loaded.problemAt(
        ['snapshots'],
        'the manifest does not say where snapshots are kept; add snapshots: {to: ./snapshots}',
      ),
    )
  }
  const job = manifest.name ?? (await loadJob(manifest.job)).name
  const state = flags.state ?? folder ?? manifest.state ?? join('.millrace', job)
  return { manifest, job, store, stateDir: resolve(io.workingDir, state) }
}

async function idOf({ store, job }: SnapshotTarget, id: string): Promise<string> {
  if (id !== 'latest') return id
  const newest = (await snapshotsOf(store, job)).at(-1)
  if (newest !== undefined) return newest
  throw new StateError(`there is no snapshot of ${job} in ${store.where}`)
}

function lineOf(manifest: SnapshotManifest): string {
  const { id, createdAt, tasks, base } = manifest
  const epochs = tasks.map(({ epoch }) => epoch).join(',')
  const kind = base === undefined ? '' : `  on ${base.id}`
  const parts = counted(partsOf(manifest).length, 'part')
  const taken = new Date(createdAt).toISOString()
  return `${id}  epoch ${epochs}  ${taken}  ${bytesText(bytesOf(manifest))} in ${parts}${kind}\n`
}
