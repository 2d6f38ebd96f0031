/**
 * A source is one or more inputs (partitions); each input hands the task bounded batches of decoded
 * values and says where in the outside world the batch ends.
 */
import type { Timestamp } from '../../operators/time.ts'

/** A place in an input, as JSON; kept in the task's commit and handed back on restart. */
export type InputPosition = unknown

/** Stands in a batch where a value could not be decoded; it goes to the dead letter with this reason. */
export class Undecodable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

export interface SourceBatch {
  /** Decoded values in input order; an Undecodable where decoding failed. */
  readonly values: readonly unknown[]
  /**
   * Said when all values are plain objects of exactly these fields, in this order, each a finite number.
   * Whether such a value is valid is then asked once, and not of each. One array for many batches.
   */
  readonly numbers?: readonly string[]
  /** When the log took each message (ms), or one time for all of them. */
  readonly times: Float64Array | number
  /** Where the input continues after this batch. */
  readonly after: InputPosition
  /** How far event time has come behind this batch, from a source that knows better than a bound. */
  readonly watermark?: Timestamp
  /**
   * Where the input continues behind one value of the batch; left out where only whole batches have a place.
   * As the bytes, it is there until the input is asked for the next batch.
   */
  positionAfter?(index: number): InputPosition
  /**
   * Names the place of the value at an index for people: `ratings.csv:17`, `RATINGS/0 @ 4711`. As the bytes,
   * it is there until the input is asked for the next batch.
   */
  placeOf(index: number): string
  /** The original bytes of the value at an index. */
  bytesOf(index: number): Uint8Array
}

/** How much of an input there is, and how much of that was handed out. */
export interface InputExtent {
  readonly unit: 'bytes' | 'messages'
  readonly read: number
  readonly total: number
}

/** 'pending': nothing right now, ask after ready(). 'end': a bounded input is over. */
export type PollResult = SourceBatch | 'pending' | 'end'

export interface SourceInput {
  /** Stable name of the input within the job, e.g. `ratings/0`; its position is stored under it. */
  readonly id: string
  /**
   * Starts reading right after a position, or at the configured start when there is none.
   * Resolves to the position it starts from, so that 'now' is the same place after a crash.
   * @throws DataLossError when the outside no longer is what the position was taken from (I8).
   */
  open(position: InputPosition | undefined): Promise<InputPosition>
  /**
   * Called in place of `open` when all of it was read by earlier runs.
   * @throws ConfigError when something else is asked for now than was read.
   */
  checkFinished?(position: InputPosition): void
  /** The next batch, without waiting. Must not be called while an earlier batch is being read. */
  poll(): PollResult
  /** Resolves when poll has something to say; rejects with what is wrong. */
  ready(): Promise<void>
  /**
   * True while more is known to be there already: an empty poll is then over in a moment, and no
   * reason to end the epoch. An input that cannot tell leaves it out.
   */
  readonly hasBacklog?: boolean
  /** Messages that are known to be there and were not handed out yet, for people; undefined: nobody knows. */
  readonly lag?: number | undefined
  /** True when the input is known to end, so that others may wait for all of it. */
  readonly isBounded?: boolean
  /** True when its end is where a live run takes over, and so not the end of its time. */
  readonly goesOn?: boolean
  /** How much of a bounded input was handed out, for people; undefined when that is not known. */
  readonly extent?: InputExtent | undefined
  close(): Promise<void>
}

/** Makes the inputs of a source; asked once at each start of the job. */
export interface Source {
  inputs(): Promise<readonly SourceInput[]>
}
