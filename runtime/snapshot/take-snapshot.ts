/**
 * Takes a snapshot of a job from cuts of its tasks: frozen views of durable epochs, copied part by part
 * while the tasks go on. The manifest comes last; whatever ends this before leaves a torn snapshot, which
 * nobody reads.
 */
import { endianness } from 'node:os'
import { type FileHandle, open } from 'node:fs/promises'
import { invariant, reasonOf, UnavailableError } from '../errors.ts'
import type { StoreView } from '../state/store.ts'
import { type JobRow, readEpochRow, readJobRow } from '../task/meta.ts'
import type { Clock } from '../time/clock.ts'
import { digestOf } from './digest.ts'
import { readLineage } from './lineage.ts'
import { encodeManifest, sha256 } from './manifest-codec.ts'
import { lengthOfFile } from './chain.ts'
import { changedPieces, rowPieces } from './row-part.ts'
import {
  type FileSnapshot,
  PART_BYTES_MAX,
  SNAPSHOT_FORMAT,
  snapshotId,
  type SnapshotManifest,
  type SnapshotPart,
  type TaskSnapshot,
} from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { readInto } from './whole-file.ts'

/** A task at the end of a durable epoch. All tasks of a snapshot are cut at one moment. */
export interface TaskCut {
  readonly task: string
  readonly epoch: number
  readonly view: StoreView
}

/** A file of the state folder that only grows: what it had at the cut is there for good. */
export interface GrowingFile {
  readonly name: string
  readonly path: string
  readonly length: number
}

export interface TakeOptions {
  /** The name the job goes by. */
  readonly job: string
  /** The views are not closed. */
  readonly cuts: readonly TaskCut[]
  readonly files: readonly GrowingFile[]
  /** What it stands on: a snapshot of the same history, since which the views have a log of changes. */
  readonly base?: TakenSnapshot
  readonly store: SnapshotStore
  readonly clock: Clock
  /** Gives up at the next part. */
  readonly signal?: AbortSignal
}

/** The epochs of all tasks together: what comes later has more. */
export const epochOf = (cuts: readonly TaskCut[]): number =>
  cuts.reduce((sum, { epoch }) => sum + epoch, 0)

/** The id that a snapshot of these cuts has. */
export function idOfCuts(job: string, cuts: readonly TaskCut[]): string {
  const { view, state } = firstOf(cuts)
  const { generation } = readLineage(view)
  return snapshotId({ job, stateCreatedAt: state.createdAt, generation, epoch: epochOf(cuts) })
}

function firstOf(cuts: readonly TaskCut[]): TaskCut & { readonly state: JobRow } {
  const [first] = cuts
  invariant(first !== undefined, 'a job has a task')
  const state = readJobRow(first.view)
  invariant(state !== undefined, 'a state that was opened has a job row')
  return { ...first, state }
}

/** A snapshot that was published. */
export interface TakenSnapshot {
  readonly manifest: SnapshotManifest
  /** Of its manifest's bytes. */
  readonly sha256: string
}

/** @throws UnavailableError when the store is away or full, or the job ended; nothing is published then. */
export async function takeSnapshot(options: TakeOptions): Promise<TakenSnapshot> {
  const { job, cuts, files, base, store, clock } = options
  const { view, state } = firstOf(cuts)
  const id = idOfCuts(job, cuts)
  const tasks: TaskSnapshot[] = []
  for (const cut of cuts) tasks.push(await copyTask(id, cut, options))
  const copied: FileSnapshot[] = []
  for (const file of files) copied.push(await copyFile(id, file, options))
  const manifest: SnapshotManifest = {
    format: SNAPSHOT_FORMAT,
    id,
    job,
    run: state.run,
    stateCreatedAt: state.createdAt,
    generation: readLineage(view).generation,
    createdAt: clock.now(),
    shape: shapeOf(cuts),
    byteOrder: endianness(),
    ...(base !== undefined && { base: { id: base.manifest.id, sha256: base.sha256 } }),
    tasks,
    files: copied,
  }
  const bytes = encodeManifest(manifest)
  await store.publish(id, bytes)
  return { manifest, sha256: sha256(bytes) }
}

/** What all tasks together were made for; operators are of one task each. */
function shapeOf(cuts: readonly TaskCut[]): SnapshotManifest['shape'] {
  const rows = cuts.map(({ view }) => readJobRow(view)).filter((row) => row !== undefined)
  return {
    job: firstOf(cuts).state.job,
    operators: Object.assign({}, ...rows.map(({ operators }) => operators)) as JobRow['operators'],
    destinations: Object.assign(
      {},
      ...rows.map(({ destinations }) => destinations),
    ) as JobRow['destinations'],
    sources: [...new Set(rows.flatMap(({ sources }) => sources))],
  }
}

async function copyTask(id: string, cut: TaskCut, options: TakeOptions): Promise<TaskSnapshot> {
  const { task, epoch, view } = cut
  invariant(readEpochRow(view)?.epoch === epoch, 'a view shows the epoch at which it was cut')
  const run = readJobRow(view)?.run
  const { kind, pieces } = piecesOf(cut, options)
  const parts = await putParts(id, `task-${task}`, pieces, options)
  return { task, epoch, ...(run !== undefined && { run }), kind, parts }
}

function piecesOf(
  { task, epoch, view }: TaskCut,
  { base, clock }: TakeOptions,
): { readonly kind: TaskSnapshot['kind']; readonly pieces: AsyncIterable<Uint8Array> } {
  if (base !== undefined) {
    const from = base.manifest.tasks.find((earlier) => earlier.task === task)?.epoch
    invariant(from !== undefined, `task ${task} is in the snapshot that this one stands on`)
    const changed = changedPieces(view, { from, to: epoch }, clock)
    return { kind: 'changes', pieces: partsOfPieces(changed) }
  }
  if (view.pages === undefined) return { kind: 'rows', pieces: partsOfPieces(rowPieces(view)) }
  return { kind: 'pages', pieces: partsOfPages(view.pages) }
}

async function copyFile(
  id: string,
  { name, path, length }: GrowingFile,
  options: TakeOptions,
): Promise<FileSnapshot> {
  const before = options.base?.manifest.files.find((file) => file.name === name)
  const from = before === undefined ? 0 : lengthOfFile(before)
  const copied = from === 0 ? { name } : { name, from }
  if (length <= from) return { ...copied, parts: [] }
  const file = await open(path, 'r')
  try {
    const pieces = partsOfFile(file, { path, from, length })
    return { ...copied, parts: await putParts(id, name, pieces, options) }
  } finally {
    await file.close()
  }
}

async function putParts(
  id: string,
  what: string,
  pieces: AsyncIterable<Uint8Array>,
  { store, clock, signal }: TakeOptions,
): Promise<SnapshotPart[]> {
  const parts: SnapshotPart[] = []
  for await (const bytes of pieces) {
    if (signal?.aborted === true)
      throw new UnavailableError('the snapshot was given up: the job ends')
    const name = `${what}.${String(parts.length).padStart(6, '0')}`
    const digest = await digestOf(bytes, clock)
    await store.putPart(id, name, bytes)
    parts.push({ name, ...digest })
  }
  return parts
}

/** One buffer for all: a part is put before the next is read. */
async function* partsOfPages(pages: NonNullable<StoreView['pages']>): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(PART_BYTES_MAX, pages.length))
  for (let at = 0; at < pages.length; at += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, pages.length - at))
    await pages.read(part, at)
    yield part
  }
}

async function* partsOfFile(
  file: FileHandle,
  { path, from, length }: Omit<GrowingFile, 'name'> & { readonly from: number },
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(PART_BYTES_MAX, length - from))
  for (let at = from; at < length;) {
    const want = Math.min(buffer.length, length - at)
    const done = await readInto(file, buffer.subarray(0, want), at).catch((error: unknown) => {
      throw new UnavailableError(`${path} cannot be read: ${reasonOf(error)}`, { cause: error })
    })
    if (done < want) {
      throw new UnavailableError(`${path} has ${at + done} bytes, and ${length} were written to it`)
    }
    yield buffer.subarray(0, want)
    at += want
  }
}

async function* partsOfPieces(
  all: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of all) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes < PART_BYTES_MAX) continue
    const whole = Buffer.concat(pieces)
    let at = 0
    for (; whole.length - at >= PART_BYTES_MAX; at += PART_BYTES_MAX) {
      yield whole.subarray(at, at + PART_BYTES_MAX)
    }
    pieces = [whole.subarray(at)]
    bytes = whole.length - at
  }
  if (bytes > 0) yield Buffer.concat(pieces)
}
