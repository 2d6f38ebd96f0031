/**
 * What a snapshot says about itself: whose state it holds, which moment of it, and of which parts it
 * is made. Its manifest is written last, so a snapshot that has one is whole.
 */
import type { JobRow } from '../task/meta.ts'

/** 2: snapshots may stand on others, and files go on where those of the one before end. */
export const SNAPSHOT_FORMAT = 2

/** Bytes that are kept under a name of their own. */
export interface SnapshotPart {
  readonly name: string
  readonly length: number
  readonly sha256: string
}

/** One task's store at the end of a durable epoch. */
export interface TaskSnapshot {
  readonly task: string
  readonly epoch: number
  /** Of its state; absent where it is that of the manifest. */
  readonly run?: string
  /**
   * pages: the store's file, part by part; rows: rows of all its tables, in order; changes: the rows in
   * which it differs from the snapshot it stands on.
   */
  readonly kind: 'pages' | 'rows' | 'changes'
  readonly parts: readonly SnapshotPart[]
}

/** A file of the state folder, as far as it was written. */
export interface FileSnapshot {
  readonly name: string
  /** What comes before is in the snapshot that this one stands on. */
  readonly from?: number
  readonly parts: readonly SnapshotPart[]
}

/** A snapshot that others stand on. */
export interface BaseSnapshot {
  readonly id: string
  /** Of its manifest: another one under the same id is not the one that was stood on. */
  readonly sha256: string
}

export interface SnapshotManifest {
  readonly format: number
  readonly id: string
  /** The name the job goes by; its code's own name is in the shape. */
  readonly job: string
  /** Of the state it was taken of. */
  readonly run: string
  /** When that state was created. */
  readonly stateCreatedAt: number
  /** How often that state was restored from a snapshot: each time another history begins. */
  readonly generation: number
  readonly createdAt: number
  /** What the state was made for; a job of another shape cannot use it. */
  readonly shape: Pick<JobRow, 'job' | 'operators' | 'destinations' | 'sources'>
  /** Bytes of numbers are in this order, and a store's file is only read where they are. */
  readonly byteOrder: 'LE' | 'BE'
  /** The snapshot whose rows are part of this one; without it, it stands alone. */
  readonly base?: BaseSnapshot
  /** All tasks of the job, cut at one moment: no task has taken in what another has not given out. */
  readonly tasks: readonly TaskSnapshot[]
  readonly files: readonly FileSnapshot[]
}

/** Parts are no larger than this: one is in memory at a time. */
export const PART_BYTES_MAX = 8 * 1024 * 1024

/** All parts of a snapshot, in the order in which they were put. */
export const partsOf = ({ tasks, files }: SnapshotManifest): SnapshotPart[] =>
  [...tasks, ...files].flatMap(({ parts }) => parts)

export const bytesOfParts = (parts: readonly SnapshotPart[]): number =>
  parts.reduce((sum, { length }) => sum + length, 0)

export const bytesOf = (manifest: SnapshotManifest): number => bytesOfParts(partsOf(manifest))

/** Which moment of which state a snapshot is of. */
export interface SnapshotMoment {
  readonly job: string
  readonly stateCreatedAt: number
  readonly generation: number
  readonly epoch: number
}

/**
 * The id of a moment. Ids of a job sort as their moments count: a state that was created later, then
 * one that was restored more often, then the higher epoch; when it was taken does not matter.
 */
export function snapshotId({ job, stateCreatedAt, generation, epoch }: SnapshotMoment): string {
  const created = new Date(stateCreatedAt).toISOString().replaceAll(/[-:.]/g, '')
  return [
    jobPart(job),
    created,
    `g${String(generation).padStart(4, '0')}`,
    `e${String(epoch).padStart(12, '0')}`,
  ].join('.')
}

const ID =
  /^(?<job>[\w%-]{1,500})\.(?<created>\d{8}T\d{9}Z)\.g(?<generation>\d{4,})\.e(?<epoch>\d{12,})$/

export const isSnapshotId = (text: string): boolean => ID.test(text)

/** What an id says; the job's name as `jobPart` writes it. */
export interface ReadId {
  readonly jobPart: string
  readonly stateCreatedAt: number
  readonly generation: number
  readonly epoch: number
}

export function readSnapshotId(id: string): ReadId | undefined {
  const groups = ID.exec(id)?.groups
  if (groups === undefined) return undefined
  const created = (groups['created'] ?? '').replace(
    /^(....)(..)(..)T(..)(..)(..)(...)Z$/,
    '$1-$2-$3T$4:$5:$6.$7Z',
  )
  return {
    jobPart: groups['job'] ?? '',
    stateCreatedAt: Date.parse(created),
    generation: Number(groups['generation']),
    epoch: Number(groups['epoch']),
  }
}

/** A job's name as a part of file names and subjects. */
export const jobPart = (job: string): string =>
  encodeURIComponent(job).replaceAll(/[.~!*'()]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
