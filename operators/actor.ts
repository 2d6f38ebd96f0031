/**
 * The general keyed form: typed state, named timers and side outputs of one key at a time. A turn
 * that throws leaves nothing behind: its changes, timers and results are taken back.
 */
import type { Key, KeyedOperator, TimerClock, Turn } from './operator.ts'
import { type CellsOf, type CellSpec, map, type MapCell } from './state.ts'
import { type Duration, milliseconds, type Timestamp } from './time.ts'

type Specs = Readonly<Record<string, CellSpec>>

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
  /** Sets a timer in event time; setting the same name again replaces it. */
  timer(name: string, at: Timestamp): void
  /** Sets a timer on the clock, this long from now; setting the same name again replaces it. */
  alarm(name: string, options: { readonly in: Duration }): void
  /** Takes a timer or alarm back. */
  cancel(name: string): void
  /** Empties the state and takes back every timer. */
  forget(): void
}

export interface ActorDefinition<State extends Specs, In, Out, Sides, K extends Key = Key> {
  /** Version of the state's shape; default 1. */
  readonly version?: number
  readonly state: State
  /** A property and not a method: so an actor takes no records that lack what it reads. */
  readonly onRecord: (record: In, key: KeyTurn<State, Out, Sides, K>) => void
  /** By the name of the timer or alarm. */
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
  return { name, definition }
}

/** Type of a side output's values: `sides: { left: side<Leaving>() }`. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the type is all there is to it
export const side = <Value>(): Value => undefined as Value

/** What the timers cell keeps under a name: the time and its clock. */
type Timers = MapCell<string, readonly [at: Timestamp, clock: TimerClock]>
type AnyDefinition = ActorDefinition<Specs, unknown, unknown, Readonly<Record<string, unknown>>>

/** Name of the cell in which an actor's named timers are kept. */
const TIMERS_CELL = '(timers)'

export class ActorOperator implements KeyedOperator {
  readonly state
  readonly #definition: AnyDefinition
  readonly #turn: ActorTurn

  constructor(definition: AnyDefinition) {
    const names = Object.keys(definition.state)
    this.#definition = definition
    this.state = {
      version: definition.version ?? 1,
      cells: {
        ...definition.state,
        [TIMERS_CELL]: map<string, readonly [Timestamp, TimerClock]>(),
      },
    }
    this.#turn = new ActorTurn(names)
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp): void {
    this.#run(turn, time, value, () => this.#definition.onRecord(value, this.#turn))
  }

  onTimer(turn: Turn, time: Timestamp, clock: TimerClock): void {
    const timers = turn.cells.at(-1) as Timers
    for (const [name, [at, follows]] of Array.from(timers)) {
      if (at > time || follows !== clock) continue
      const handler = this.#definition.onTimer?.[name]
      this.#run(turn, clock === 'event' ? at : turn.now, { timer: name }, () => {
        timers.delete(name)
        handler?.(this.#turn)
      })
      // A timer whose handler keeps failing was set aside by #run; it must not come again.
      if (timers.get(name)?.[0] === at) timers.delete(name)
    }
  }

  /** @param subject what the turn is about: the record, or the timer's name. */
  #run(turn: Turn, time: Timestamp, subject: unknown, userCode: () => void): void {
    turn.savepoint()
    this.#turn.begin(turn, time)
    try {
      userCode()
    } catch (error) {
      turn.rollback()
      const recovered = turn.recover(error, subject, () => {
        turn.rollback()
        userCode()
      })
      if (recovered === undefined) turn.rollback()
    }
  }
}

class ActorTurn implements KeyTurn<Specs, unknown, Readonly<Record<string, unknown>>> {
  readonly #names: readonly string[]
  #turn: Turn | undefined
  #cellsOf: Turn['cells'] | undefined
  #state: CellsOf<Specs> = {}
  time: Timestamp = 0

  constructor(names: readonly string[]) {
    this.#names = names
  }

  begin(turn: Turn, time: Timestamp): void {
    this.#turn = turn
    this.time = time
    if (this.#cellsOf === turn.cells) return
    this.#cellsOf = turn.cells
    this.#state = Object.fromEntries(
      this.#names.map((name, i) => [name, turn.cells[i]]),
    ) as CellsOf<Specs>
  }

  get #current(): Turn {
    if (this.#turn === undefined) throw new Error('a key can only be used during its turn')
    return this.#turn
  }

  get #timers(): Timers {
    return this.#current.cells.at(-1) as Timers
  }

  get id(): Key {
    return this.#current.key
  }

  get state(): CellsOf<Specs> {
    return this.#state
  }

  get watermark(): Timestamp {
    return this.#current.watermark
  }

  get now(): Timestamp {
    return this.#current.now
  }

  emit(value: unknown): void {
    this.#current.emit(value, this.time)
  }

  emitTo(sideName: string, value: unknown): void {
    this.#current.emitTo(sideName, value, this.time)
  }

  timer(name: string, at: Timestamp): void {
    if (!Number.isFinite(at)) {
      throw new RangeError(`timer '${name}': ${String(at)} is not a time in milliseconds`)
    }
    this.#set(name, Math.ceil(at), 'event')
  }

  alarm(name: string, options: { readonly in: Duration }): void {
    this.#set(name, this.now + milliseconds(options.in, `alarm '${name}'`), 'processing')
  }

  #set(name: string, at: Timestamp, clock: TimerClock): void {
    this.#timers.set(name, [at, clock])
    this.#current.wakeAt(at, clock)
  }

  cancel(name: string): void {
    this.#timers.delete(name)
  }

  forget(): void {
    for (const cell of this.#current.cells) cell.clear()
  }
}
