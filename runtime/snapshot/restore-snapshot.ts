/**
 * Brings a snapshot's state into a state folder that has none: complete and verified, or not at all (I10).
 *
 * Everything is put into a folder aside, checked, opened, made durable, and only then moved to its place,
 * the first task's store last: a state is there when that is. The caller holds the folder's lock, so two
 * restores into one folder cannot meet; what a killed one left aside is removed by the next.
 */
import { endianness } from 'node:os'
import { existsSync, writeSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { invariant, reasonOf, StateError, UnavailableError } from '../errors.ts'
import { LmdbStore } from '../state/lmdb-store.ts'
import type { Store } from '../state/store.ts'
import { syncPath } from '../state/sync-path.ts'
import {
  type EpochRow,
  type JobRow,
  readEpochRow,
  readJobRow,
  writeEpochRow,
  writeJobRow,
} from '../task/meta.ts'
import type { Clock } from '../time/clock.ts'
import { lengthOfFile, type SnapshotChain } from './chain.ts'
import { removeLog } from './change-log.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { writeLineage } from './lineage.ts'
import { RowReader } from './row-part.ts'
import type { SnapshotManifest, SnapshotPart, TaskSnapshot } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { checkedPieces, readCheckedPart } from './verify-snapshot.ts'

const ASIDE = 'restoring'

/** What of a task's own rows is other in the new place: where its sinks write, under which name it runs. */
export type Adapt = (rows: {
  readonly job: JobRow
  readonly last: EpochRow
}) => Promise<{ readonly job: JobRow; readonly last: EpochRow }>

export interface RestoreOptions {
  readonly store: SnapshotStore
  /** The snapshot, and before it those that it stands on. */
  readonly chain: SnapshotChain
  /** Folder of the job's state; this process holds its lock. */
  readonly stateDir: string
  /** The files of a state folder that a snapshot may hold. */
  readonly files: readonly string[]
  /** Of the history that begins now. */
  readonly generation: number
  readonly adapt: Adapt
  readonly clock: Clock
  readonly signal?: AbortSignal
}

/** Name of a task's folder in a state folder. */
export const taskFolderName = (task: string): string => `task-${task}`

/** Whether a state folder holds a task's store that was committed at least once. */
export async function holdsState(stateDir: string): Promise<boolean> {
  const folder = join(stateDir, taskFolderName('0'))
  if (!existsSync(join(folder, 'data.mdb'))) return false
  const store = new LmdbStore(folder)
  try {
    return readEpochRow(store) !== undefined
  } finally {
    await store.close()
  }
}

/**
 * @throws StateError when the folder holds a state, or the snapshot is damaged or of another machine's
 * kind; UnavailableError when it cannot be read or written. Nothing is left behind then.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<void> {
  const { chain, stateDir } = options
  const manifest = lastOf(chain)
  await removeAside(stateDir)
  if (await holdsState(stateDir)) {
    throw new StateError(
      `${stateDir} holds a state already; a snapshot is restored into a folder without one. Nothing was changed. Name another folder with --state, or move this one away.`,
    )
  }
  if (manifest.byteOrder !== endianness()) {
    throw new StateError(
      `snapshot ${manifest.id} was taken on a machine with another order of bytes; restore it on one of that kind`,
    )
  }
  const strange = manifest.files.find(({ name }) => !options.files.includes(name))
  if (strange !== undefined) {
    throw new DamagedSnapshotError(
      manifest.id,
      `it holds a file ${strange.name}, which no state has`,
    )
  }
  const aside = join(stateDir, ASIDE)
  try {
    await mkdir(aside, { recursive: true })
    for (const task of manifest.tasks) await restoreTask(aside, task, options)
    for (const { name } of manifest.files) {
      await writeParts(join(aside, name), fileParts(name, chain), options)
    }
    await moveIntoPlace(aside, stateDir, manifest)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined || error instanceof StateError) throw error
    throw new UnavailableError(
      `the snapshot cannot be restored into ${stateDir}: ${reasonOf(error)}. Make room there, or name another folder with --state.`,
      { cause: error },
    )
  } finally {
    await removeAside(stateDir)
  }
}

/** What a restore that was killed has left. */
async function removeAside(stateDir: string): Promise<void> {
  await rm(join(stateDir, ASIDE), { recursive: true, force: true })
}

async function restoreTask(
  aside: string,
  task: TaskSnapshot,
  options: RestoreOptions,
): Promise<void> {
  const folder = join(aside, taskFolderName(task.task))
  await mkdir(folder)
  const { chain } = options
  const [first, ...later] = chain.map((manifest) => ofTask(manifest, task.task))
  invariant(first !== undefined, 'a chain has a snapshot')
  const isCopy = first.kind === 'pages'
  if (isCopy) await writeParts(join(folder, 'data.mdb'), partsIn(chain[0], first.parts), options)
  const store = new LmdbStore(folder)
  try {
    if (!isCopy) await putRows(store, partsIn(chain[0], first.parts), options)
    for (const [index, { parts }] of later.entries()) {
      await putRows(store, partsIn(chain[index + 1] as SnapshotManifest, parts), options)
    }
    await adaptRows(store, task, options)
  } finally {
    await store.close()
  }
  await rm(join(folder, 'lock.mdb'), { force: true })
  await syncPath(join(folder, 'data.mdb'))
  await syncPath(folder)
}

const lastOf = (chain: SnapshotChain): SnapshotManifest => chain.at(-1) ?? chain[0]

function ofTask({ id, tasks }: SnapshotManifest, name: string): TaskSnapshot {
  const found = tasks.find(({ task }) => task === name)
  if (found === undefined) throw new DamagedSnapshotError(id, `it holds nothing of task ${name}`)
  return found
}

/** A part, and the snapshot it is of. */
interface PartIn {
  readonly id: string
  readonly part: SnapshotPart
}

const partsIn = ({ id }: SnapshotManifest, parts: readonly SnapshotPart[]): PartIn[] =>
  parts.map((part) => ({ id, part }))

/** A file goes on in each snapshot where it ended in the one before. */
function fileParts(name: string, chain: SnapshotChain): PartIn[] {
  const all: PartIn[] = []
  let length = 0
  for (const manifest of chain) {
    const file = manifest.files.find((each) => each.name === name)
    if (file === undefined) continue
    if ((file.from ?? 0) !== length) {
      throw new DamagedSnapshotError(manifest.id, `its file ${name} does not go on where it ended`)
    }
    length = lengthOfFile(file)
    all.push(...partsIn(manifest, file.parts))
  }
  return all
}

async function writeParts(
  path: string,
  parts: readonly PartIn[],
  options: RestoreOptions,
): Promise<void> {
  const file = await open(path, 'wx')
  try {
    for (const part of parts) {
      // In place, as the folder is read: nothing else of the process waits.
      for await (const piece of checkedPieces(...checked(part, options))) {
        for (let at = 0; at < piece.length;) at += writeSync(file.fd, piece, at)
      }
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

async function putRows(
  store: Store,
  parts: readonly PartIn[],
  options: RestoreOptions,
): Promise<void> {
  const reader = new RowReader()
  for (const part of parts) {
    const bytes = await readCheckedPart(...checked(part, options))
    await store.commit((writer) => {
      for (const { table, key, value } of reader.read(bytes)) {
        if (value === undefined) writer.remove(table, key)
        else writer.put(table, key, value)
      }
    })
  }
  invariant(reader.isWhole, 'the last row of a snapshot is whole')
}

/** A part that is read next, unless the restore was given up. */
function checked(
  { id, part }: PartIn,
  { store, clock, signal }: RestoreOptions,
): Parameters<typeof checkedPieces> {
  if (signal?.aborted === true)
    throw new UnavailableError('the restore was given up: asked to stop')
  return [store, id, part, clock]
}

/** The store is opened and says what the manifest says; then it is told where it is now. */
async function adaptRows(
  store: Store,
  { task, epoch, run }: TaskSnapshot,
  { chain, generation, adapt }: RestoreOptions,
): Promise<void> {
  const manifest = lastOf(chain)
  const job = readJobRow(store)
  const last = readEpochRow(store)
  if (
    job?.run !== (run ?? manifest.run) ||
    job.job !== manifest.shape.job ||
    last?.epoch !== epoch
  ) {
    throw new DamagedSnapshotError(
      manifest.id,
      `the store of task ${task} is not of its job, run and epoch`,
    )
  }
  const adapted = await adapt({ job, last })
  await store.commit((writer) => {
    writeJobRow(writer, adapted.job, epoch)
    writeEpochRow(writer, adapted.last)
    writeLineage(writer, { generation, restoredFrom: manifest.id }, epoch)
    removeLog(store, writer)
  })
  await store.flushed()
}

async function moveIntoPlace(
  aside: string,
  stateDir: string,
  { files, tasks }: SnapshotManifest,
): Promise<void> {
  const names = [
    ...files.map(({ name }) => name),
    ...tasks.map(({ task }) => taskFolderName(task)).toReversed(),
  ]
  await syncPath(aside)
  for (const name of names) {
    const place = join(stateDir, name)
    // A store without a commit, or a file that no state speaks of any more.
    await rm(place, { recursive: true, force: true })
    await rename(join(aside, name), place)
    await syncPath(stateDir)
  }
  await syncPath(dirname(stateDir))
  const left = await readdir(aside)
  invariant(left.length === 0, 'everything of a snapshot is moved to its place')
}
