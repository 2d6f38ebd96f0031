/**
 * The general keyed form: typed state, named timers and side outputs of one key at a time. A turn
 * that throws leaves nothing behind: its changes, timers and results are taken back.
 */
import { livingCells } from './expiring-views.ts'
import type { Key } from './operator.ts'
import type { CellsOf, CellSpec, TimeToLive, Upcaster } from './state.ts'
import type { Duration, Timestamp } from './time.ts'

/** The cells of an actor by name. */
export type Specs = Readonly<Record<string, CellSpec>>

/** What an actor's functions are given: the key whose turn it is. Valid during the call only. */
export interface KeyTurn<
  State extends Specs,
  Out,
  Sides = Readonly<Record<never, never>>,
  K extends Key = Key,
> {
  readonly id: K
  readonly state: CellsOf<State>
  /** Event time of the record or timer of this turn. */
  readonly time: Timestamp
  readonly watermark: Timestamp
  /** Processing time from the job's clock. */
  readonly now: Timestamp
  /** Hands on a result with the turn's time. */
  emit(value: Out): void
  /** Hands a value to a side output. */
  emitTo<Side extends keyof Sides & string>(side: Side, value: Sides[Side]): void
  /**
   * Sets a timer in event time: it fires once the watermark has come to `at`, and right after this turn
   * when it has already. Setting the same name again replaces it. Timers of a key fire in the order of
   * their times, those of one time in the order of their names, and before any record behind them.
   * @throws RangeError when it is no time; TypeError when the actor has no `onTimer` of this name.
   */
  timer(name: string, at: Timestamp): void
  /**
   * Sets a timer on the clock, this long from now; setting the same name again replaces it.
   * @throws RangeError when the duration is negative or none; TypeError as for `timer`.
   */
  alarm(name: string, options: { readonly in: Duration }): void
  /** Takes a timer or alarm back, if one is set. @throws TypeError as for `timer`. */
  cancel(name: string): void
  /** Empties the state and takes back every timer. */
  forget(): void
}

export interface ActorDefinition<State extends Specs, In, Out, Sides, K extends Key = Key> {
  /** Version of the state's shape; default 1. */
  readonly version?: number
  /**
   * State of earlier versions, brought to this one step by step: the function under 1 makes version 2 of
   * version 1. A key's state is brought over when the key is next worked on.
   */
  readonly upcast?: Readonly<Record<number, Upcaster>>
  readonly state: State
  /**
   * How long state lives after its last change, in every cell that does not say so itself. Each entry
   * of a map and each value of a list lives on its own; of a cell by time, from its own time on.
   */
  readonly ttl?: TimeToLive
  /** A property and not a method: so an actor takes no records that lack what it reads. */
  readonly onRecord: (record: In, key: KeyTurn<State, Out, Sides, K>) => void
  /**
   * By the name of the timer or alarm. `key.time` is the timer's own time, and state reads as it was at
   * that time, however far the watermark has jumped.
   */
  readonly onTimer?: Readonly<Record<string, (key: KeyTurn<State, Out, Sides, K>) => void>>
  readonly sides?: Sides
}

/** A key actor under its operator's name. */
export interface Actor<State extends Specs, In, Out, Sides, K extends Key = Key> {
  readonly name: string
  readonly definition: ActorDefinition<State, In, Out, Sides, K>
}

/**
 * Defines a key actor.
 * @param name the operator's name: unique in its job, and the name under which its state is kept.
 * @throws RangeError when a time to live does not fit its cell.
 */
export function actor<
  State extends Specs,
  In,
  Out,
  Sides = Readonly<Record<never, never>>,
  K extends Key = Key,
>(
  name: string,
  definition: ActorDefinition<State, In, Out, Sides, K>,
): Actor<State, In, Out, Sides, K> {
  livingCells(name, definition.state, definition.ttl)
  checkVersions(name, definition)
  return { name, definition }
}

/** @throws RangeError when a version is none, or an upcaster has no version to come from or to go to. */
export function checkVersions(
  operator: string,
  {
    version = 1,
    upcast = {},
  }: Pick<ActorDefinition<Specs, never, never, never>, 'version' | 'upcast'>,
): void {
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new RangeError(
      `operator '${operator}': version ${version} must be a whole number above 0`,
    )
  }
  for (const from of Object.keys(upcast)) {
    if (/^[1-9]\d*$/.test(from) && Number(from) < version) continue
    throw new RangeError(
      `operator '${operator}': upcast has '${from}', and its functions stand under the versions they begin with, from 1 to ${version - 1}`,
    )
  }
}

/** Type of a side output's values: `sides: { left: side<Leaving>() }`. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the type is all there is to it
export const side = <Value>(): Value => undefined as Value
