/**
 * Groups the records of two inputs by key and window: a window operator over records that say from
 * which side they came.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { KeyedOperator, TimerClock, Turn } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import { windowOperator } from '../window/make-window-operator.ts'
import type { WindowSpec } from '../window/window-spec.ts'
import {
  type JoinFunction,
  joined,
  type JoinKind,
  leavesAlone,
  type LateRecord,
} from './join-kind.ts'

/** The values of a window by side, each in the order of input. */
export type BothSides = readonly [lefts: readonly unknown[], rights: readonly unknown[]]

type Sided = LateRecord<unknown, unknown>
type Collected = [lefts: unknown[], rights: unknown[]]

const bothSides: Aggregate<Sided, Collected, BothSides> = {
  kind: 'both sides',
  init: () => [[], []],
  add: push,
  read: (record) => record,
  fold: (sides, record) => push(sides, record as Sided),
  merge: (a, b) => [
    [...a[0], ...b[0]],
    [...a[1], ...b[1]],
  ],
  result: ([lefts, rights]) => [lefts.slice(), rights.slice()],
}

function push(sides: Collected, { side, value }: Sided): Collected {
  sides[side === 'left' ? 0 : 1].push(value)
  return sides
}

export class CoGroupOperator implements KeyedOperator {
  readonly state
  readonly #windows: KeyedOperator

  constructor(windows: WindowSpec<never>) {
    this.#windows = windowOperator(windows, bothSides as Aggregate<unknown, unknown, unknown>, {
      unwrap: (record) => (record as Sided).value,
    })
    this.state = this.#windows.state
  }

  onRecord(turn: Turn, value: unknown, time: Timestamp, input: number): void {
    const record: Sided = { side: input === 0 ? 'left' : 'right', value }
    this.#windows.onRecord(turn, record, time, 0)
  }

  onTimer(turn: Turn, time: Timestamp, clock: TimerClock): void {
    this.#windows.onTimer(turn, time, clock)
  }
}

/** Every pair of a window, by the left value and then the right; and who leaves alone, by the kind. */
export function pairsOf<Of>(
  [lefts, rights]: BothSides,
  kind: JoinKind,
  join: (left: unknown, right: unknown, of: Of) => unknown,
  of: Of,
): unknown[] {
  const make: JoinFunction = (left, right) => joined(join(left, right, of))
  if (rights.length === 0) {
    return leavesAlone(kind, 0) ? lefts.map((left) => make(left, undefined)) : []
  }
  if (lefts.length === 0) {
    return leavesAlone(kind, 1) ? rights.map((right) => make(undefined, right)) : []
  }
  return lefts.flatMap((left) => rights.map((right) => make(left, right)))
}
