/**
 * The named timers of a key. They are few, and written in the key's row as one flat list.
 *
 * Beside the timers it keeps for which time the key asked last to be woken. A timer that is set again
 * to a later time asks for nothing: the key sleeps on, looks when it wakes, and asks anew. So a timer
 * that every record puts off costs one place among the waiting, and not one a record.
 */
import type { TimerClock } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import type { CellOwner, CellSpec, StateCell } from './cell.ts'

/** The name of a user's timer; or of the one at which entries of a clock expire. */
export type TimerName = string | ExpiryName

/** Numbers, so that no user's timer has the name; and first among timers of the same time. */
export const EXPIRY = { event: 0, processing: 1 } as const
export type ExpiryName = (typeof EXPIRY)[TimerClock]

export interface DueTimer {
  readonly name: TimerName
  readonly at: Timestamp
}

/** The two times of waking, then name, time and clock of each timer. */
type Table = readonly (string | number)[]

const HEAD = 2
const STRIDE = 3
const CLOCKS = { event: 0, processing: 1 } as const
const NOBODY_WAITS: Table = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]

export class TimersCell implements StateCell {
  readonly #owner: CellOwner
  /** Never changed, only replaced: so an undo has but to put the former one back. */
  #table: Table | undefined = undefined

  constructor(owner: CellOwner) {
    this.#owner = owner
  }

  /** Whether the key neither has a timer nor waits to be woken. */
  get isEmpty(): boolean {
    return this.#table === undefined
  }

  /** The time of a timer. */
  get(name: TimerName): Timestamp | undefined {
    const index = this.#indexOf(name)
    return index === -1 ? undefined : (this.#table?.[index + 1] as Timestamp)
  }

  /** Sets a timer; one of the same name is replaced, of whichever clock it was. */
  set(name: TimerName, at: Timestamp, clock: TimerClock): void {
    const others = this.#without(name)
    this.#replace([...others, name, at, CLOCKS[clock]])
  }

  delete(name: TimerName): void {
    if (this.#indexOf(name) !== -1) this.#replace(this.#without(name))
  }

  /** The earliest timer of a clock; of several at one time the first by name. */
  earliest(clock: TimerClock): DueTimer | undefined {
    const table = this.#table ?? NOBODY_WAITS
    let found: DueTimer | undefined
    for (let i = HEAD; i < table.length; i += STRIDE) {
      if (table[i + 2] !== CLOCKS[clock]) continue
      const [name, at] = [table[i] as TimerName, table[i + 1] as Timestamp]
      if (found === undefined || at < found.at || (at === found.at && isBefore(name, found.name))) {
        found = { name, at }
      }
    }
    return found
  }

  /** The time for which the key asked to be woken; +∞ when it did not. */
  wakeTime(clock: TimerClock): Timestamp {
    return (this.#table ?? NOBODY_WAITS)[CLOCKS[clock]] as Timestamp
  }

  setWakeTime(clock: TimerClock, at: Timestamp): void {
    this.#replace((this.#table ?? NOBODY_WAITS).with(CLOCKS[clock], at))
  }

  clear(): void {
    if (this.#table !== undefined) this.#replace(NOBODY_WAITS)
  }

  #indexOf(name: TimerName): number {
    const table = this.#table ?? NOBODY_WAITS
    for (let i = HEAD; i < table.length; i += STRIDE) if (table[i] === name) return i
    return -1
  }

  #without(name: TimerName): Table {
    const index = this.#indexOf(name)
    const table = this.#table ?? NOBODY_WAITS
    return index === -1 ? table : table.toSpliced(index, STRIDE)
  }

  #replace(table: Table): void {
    const before = this.#table
    this.#owner.undo?.push(() => {
      this.#table = before
    })
    this.#owner.changed()
    const [eventWake, processingWake] = table
    const isIdle =
      table.length === HEAD && eventWake === NOBODY_WAITS[0] && processingWake === NOBODY_WAITS[1]
    this.#table = isIdle ? undefined : table
  }

  get rows(): undefined {
    return undefined
  }

  inline(): unknown {
    return this.#table
  }

  restoreInline(stored: unknown): void {
    this.#table = stored as Table | undefined
  }
}

const isBefore = (name: TimerName, other: TimerName): boolean =>
  typeof name === typeof other ? name < other : typeof name === 'number'

/** The users' timers of what inline() gave, by name. */
export function timersOf(
  stored: unknown,
): Readonly<Record<string, { readonly at: Timestamp; readonly clock: TimerClock }>> {
  const table = (stored ?? NOBODY_WAITS) as Table
  const named: Record<string, { at: Timestamp; clock: TimerClock }> = {}
  for (let i = HEAD; i < table.length; i += STRIDE) {
    const [name, at, clock] = table.slice(i, i + STRIDE) as [TimerName, Timestamp, number]
    if (typeof name !== 'string') continue
    named[name] = { at, clock: clock === CLOCKS.event ? 'event' : 'processing' }
  }
  return named
}

/** Declares the named timers of a key. */
export const namedTimers = (): CellSpec<TimersCell> => ({
  kind: 'timers',
  make: (owner) => new TimersCell(owner),
})
