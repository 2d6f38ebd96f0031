/**
 * A sink takes the rows of one task's outbox, in order, each exactly once.
 *
 * K1 `deliver` resolves only when its rows are durably taken;
 * K2 after a restart `open` is given what the task last committed about the sink, and makes the
 *    destination agree with it: cut back, adopt what is there, or refuse (I8);
 * K3 rows are delivered from the first unacknowledged number on, byte for byte the same ones again.
 */
import type { Key, Timestamp } from '../../operators/operator.ts'
import type { OutboxRow } from '../task/outbox-row.ts'
import type { ByteWriter } from '../task/byte-writer.ts'

/** How far a destination has durably taken rows, and what the sink must remember about it. */
export interface Taken {
  /** Number of the last message taken; 0 before the first. */
  readonly number: number
  /** JSON of the sink's own: file length, stream base, scan start. */
  readonly memo: unknown
}

/** Who delivers: numbers are consecutive per run, task and destination. */
export interface SinkOwner {
  /** Drawn when the state is created; a fresh state is another run. */
  readonly run: string
  readonly job: string
  readonly task: string
  readonly destination: string
  /**
   * Number of the last message that the outbox holds when the sink is opened, or the last taken when
   * it is empty: nothing beyond it was ever sent. A sink can refuse more when it knows.
   */
  readonly made?: number
}

export interface Sink {
  /**
   * Writes one result as the bytes that will travel. Called once a result, when it enters the outbox.
   * What it throws fails the job; nothing of the result is kept then.
   */
  encode(out: ByteWriter, value: unknown, time: Timestamp, key: Key | undefined): void
  /**
   * Prepares the destination. `taken` is what the task last committed, undefined in a fresh state.
   * The result is committed before the first deliver. Numbers may be ahead of `taken`: those rows
   * were found to be there already.
   * @throws ConfigError, DataLossError, UnavailableError
   */
  open(owner: SinkOwner, taken: Taken | undefined): Promise<Taken>
  /** Durably takes rows, in order. @throws UnavailableError to be reopened and tried again. */
  deliver(rows: readonly OutboxRow[]): Promise<Taken>
  close(): Promise<void>
}
