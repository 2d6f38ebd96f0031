/**
 * What an operator is given, and what it may ask for. Operators are pure: no I/O, no clock, no
 * randomness; everything they change is a cell of the key whose turn it is, so that the runtime can
 * commit it, evict it, load it again and replay it.
 */
import type { StateCell, StateSpec } from './state.ts'
import type { Milliseconds, Timestamp } from './time.ts'

export type { Timestamp } from './time.ts'

/** A key: any text without lone surrogates up to 1 kB of UTF-8, or a finite number; 1 and '1' differ. */
export type Key = string | number

/** The next step of a chain: takes one value with its event time and, behind a keyBy, its key. */
export type Push = (value: unknown, time: Timestamp, key: Key | undefined) => void

/** What user code failed on. */
export interface Failure {
  readonly error: unknown
  readonly key: Key | undefined
  /** The value that was worked on. */
  readonly value: unknown
}

/** What a stateless step may ask of the runtime when user code throws. */
export interface StepContext {
  /**
   * Tries again as often as the operator's policy says.
   * @returns the result in a box; or undefined when the record went to the dead letter.
   * @throws UserCodeError when the policy is to fail the job.
   */
  recover<Out>(failure: Failure, again: () => Out): { readonly value: Out } | undefined
  /** Sets the current record aside in the dead letter. */
  reject(reason: string, key: Key | undefined): void
}

/** A stateless operator: built once per task, called once per value. */
export type Step = (next: Push, context: StepContext) => Push

/** Which clock a timer follows. */
export type TimerClock = 'event' | 'processing'

/** The turn of one key of one operator: its state, its timers, its results. Valid during the call only. */
export interface Turn {
  readonly key: Key
  /** The cells of the operator's StateSpec, in its order. */
  readonly cells: readonly StateCell[]
  /** The first cell: what most operators have, without the way through an array. */
  readonly cell: StateCell
  /** The cells that all keys share, of an operator that has such; else none. */
  readonly shared: readonly StateCell[]
  /** How far event time has come for this operator; never goes back (I5). */
  readonly watermark: Timestamp
  /** Processing time of this turn, from the job's Clock. */
  readonly now: Timestamp
  /** Hands a result on. Results of a turn that throws are not handed on. */
  emit(value: unknown, time: Timestamp): void
  /** Hands a value to a side output. */
  emitTo(side: string, value: unknown, time: Timestamp): void
  /**
   * Asks for onTimer at a time. The same time of the same key and clock is asked for once. A timer
   * cannot be taken back: an operator that no longer needs it ignores the call.
   */
  wakeAt(time: Timestamp, clock: TimerClock): void
  /** Counts a record that came too late and hands it to the side output `late`, or the dead letter. */
  late(value: unknown, time: Timestamp): void
  /**
   * For a turn that runs user code over cells: from here on changes, results and timers can be taken
   * back by `rollback`.
   */
  savepoint(): void
  /** Takes back every change of a cell and every result since the savepoint. */
  rollback(): void
  /** As in StepContext: tries user code again, by the operator's policy. `value` is what it failed on. */
  recover<Out>(
    error: unknown,
    value: unknown,
    again: () => Out,
  ): { readonly value: Out } | undefined
}

/** A keyed operator: pure logic over the cells of one key at a time. */
export interface KeyedOperator {
  /** The cells of each key, and the version of their shape. */
  readonly state: StateSpec
  /**
   * Cells that all keys share, and the input that changes them: its records have no key, and their
   * turn is that of the shared cells, which are its `cells`.
   */
  readonly shared?: { readonly input: number; readonly state: StateSpec }
  /** By how much results may be older than the input's watermark; default 0. Time behind the operator is held back by it. */
  readonly holdBackMs?: Milliseconds
  /** @param input the place of the input among the operator's inputs: 0 for the only one. */
  onRecord(turn: Turn, value: unknown, time: Timestamp, input: number): void
  /** A time that was asked for has come. Called in time order, before any record behind it. */
  onTimer(turn: Turn, time: Timestamp, clock: TimerClock): void
}
