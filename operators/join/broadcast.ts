/**
 * A key actor that reads what all keys share. The records of the broadcast input change it, those of
 * the keyed input read it.
 *
 * B1 Shared state is changed by broadcast records alone: a key that changed it would make the results
 *    of other keys depend on when its records came.
 */
import type { ActorDefinition, KeyTurn } from '../actor.ts'
import { type AnyDefinition, ActorOperator } from '../actor-operator.ts'
import type { Key, KeyedOperator, TimerClock, Turn } from '../operator.ts'
import type {
  CellOwner,
  CellsOf,
  CellSpec,
  ListCell,
  MapCell,
  StateCell,
  ValueCell,
} from '../state.ts'
import type { Timestamp } from '../time.ts'

type Specs = Readonly<Record<string, CellSpec>>

/** A shared cell as keys see it: to read. */
export type ReadOnlyCell<Cell> =
  Cell extends ValueCell<infer Value>
    ? Pick<ValueCell<Value>, 'get' | 'isEmpty'>
    : Cell extends ListCell<infer Value>
      ? Pick<ListCell<Value>, 'at' | 'length' | 'toArray' | 'isEmpty'>
      : Cell extends MapCell<infer K, infer Value>
        ? Omit<MapCell<K, Value>, 'set' | 'delete' | 'touch' | 'clear'>
        : Cell

/** The shared cells as keys see them. */
export type ReadOnly<Cells> = { readonly [Name in keyof Cells]: ReadOnlyCell<Cells[Name]> }

export interface BroadcastDefinition<
  Shared extends Specs,
  Broadcast,
  State extends Specs,
  In,
  Out,
  Sides,
  K extends Key = Key,
> extends Omit<ActorDefinition<State, In, Out, Sides, K>, 'onRecord' | 'state'> {
  /** What all keys share. Changed by `onBroadcast`, read by `onRecord`. */
  readonly shared: Shared
  /** The state of each key; default none. */
  readonly state?: State
  readonly onBroadcast: (
    record: Broadcast,
    shared: CellsOf<Shared>,
    at: { readonly time: Timestamp },
  ) => void
  readonly onRecord: (
    record: In,
    key: KeyTurn<State, Out, Sides, K>,
    shared: ReadOnly<CellsOf<Shared>>,
  ) => void
}

/** The input whose records are for all keys. */
export const BROADCAST_INPUT = 1

export type AnyBroadcast = Omit<AnyDefinition, 'onRecord' | 'onOther' | 'state'> & {
  readonly shared: Specs
  readonly state?: Specs
  readonly onBroadcast: (record: unknown, shared: CellsOf<Specs>, at: { time: Timestamp }) => void
  readonly onRecord: (record: unknown, key: unknown, shared: CellsOf<Specs>) => void
}

export class BroadcastOperator implements KeyedOperator {
  readonly state
  readonly shared
  readonly #definition: AnyBroadcast
  readonly #keys: ActorOperator
  readonly #names: readonly string[]
  #cells: readonly StateCell[] = []
  #view: CellsOf<Specs> = {}
  /** Whether a broadcast record has its turn (B1). */
  #isOpen = false

  /** @param name the operator's, for messages. */
  constructor(definition: AnyBroadcast, name: string) {
    this.#definition = definition
    this.#keys = new ActorOperator(
      {
        ...definition,
        state: definition.state ?? {},
        onRecord: (record, key) => definition.onRecord(record, key, this.#view),
      },
      name,
    )
    this.state = this.#keys.state
    this.#names = Object.keys(definition.shared)
    refuseLifetimes(definition.shared, name)
    const cells = Object.entries(definition.shared).map(([cell, spec]) => [
      cell,
      this.#guarded(spec),
    ])
    this.shared = {
      input: BROADCAST_INPUT,
      state: {
        version: definition.version ?? 1,
        cells: Object.fromEntries(cells) as Record<string, CellSpec>,
      },
    }
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp, input: number): void {
    this.#see(turn.shared)
    if (input === BROADCAST_INPUT) this.#takeBroadcast(turn, value, time)
    else this.#keys.onRecord(turn, value, time, 0)
  }

  onTimer(turn: Turn, time: Timestamp, clock: TimerClock): void {
    this.#see(turn.shared)
    this.#keys.onTimer(turn, time, clock)
  }

  #takeBroadcast(turn: Turn, value: unknown, time: Timestamp): void {
    const change = (): void => {
      turn.rollback()
      this.#definition.onBroadcast(value, this.#view, { time })
    }
    this.#isOpen = true
    turn.savepoint()
    try {
      change()
    } catch (error) {
      turn.rollback()
      if (turn.recover(error, value, change) === undefined) turn.rollback()
    } finally {
      this.#isOpen = false
    }
  }

  #see(cells: readonly StateCell[]): void {
    if (this.#cells === cells) return
    this.#cells = cells
    this.#view = Object.fromEntries(
      this.#names.map((name, i) => [name, cells[i]]),
    ) as CellsOf<Specs>
  }

  /** A cell that refuses changes outside the turns of broadcast records (B1). */
  #guarded(spec: CellSpec): CellSpec {
    const refuse = (): void => {
      if (this.#isOpen) return
      throw new TypeError(
        'shared state is changed in onBroadcast; onRecord and onTimer may only read it',
      )
    }
    return {
      ...spec,
      make(owner) {
        const guard: CellOwner = {
          changed() {
            refuse()
            owner.changed()
          },
          get undo() {
            return owner.undo
          },
        }
        return spec.make(guard)
      },
    }
  }
}

/** Nobody's turn would remove what is over: keys have timers, what they share has none. */
function refuseLifetimes(shared: Specs, operator: string): void {
  for (const [cell, { timeToLive }] of Object.entries(shared)) {
    if (timeToLive === undefined) continue
    throw new RangeError(
      `operator '${operator}': the shared cell '${cell}' cannot have a time to live; take entries out in onBroadcast`,
    )
  }
}
