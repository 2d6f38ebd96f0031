/**
 * Runs an interval join in which millions of keys have a record or two: those wait in columns, and a
 * record costs a look-up of its key and no object of it. A key that has more of them than a row takes is
 * a key actor, whose lines find partners without looking at all that wait.
 *
 * J1 A key is in columns or an actor, never both: it becomes an actor when it has many records, and is
 *    in columns again once none is left, or when few are read from the store.
 * J2 The rows are those of the actors: a state does not know in which of both a key was kept.
 * J3 Every waiting record has a timer for its last time. Most come and go within an epoch: until a
 *    commit they stand in a line a side, in order. A commit moves the lines to the timers, which are
 *    stored; so does what asks for a time out of order. Then timers fire before lines of the same time,
 *    for they were asked for earlier, and the order is that of asking whenever there was a commit.
 */
import type { IntervalJoinOperator, Side } from '../../operators/join/interval-join.ts'
import type { JoinBuffer, StoredWaiting } from '../../operators/join/join-buffer.ts'
import type { Key, Push } from '../../operators/operator.ts'
import { INLINE_ENTRIES_MAX } from '../../operators/state.ts'
import type { Timestamp } from '../../operators/time.ts'
import type { StoreWriter } from '../state/store.ts'
import type { Steps } from '../time/turns.ts'
import { type ColumnHostOptions, lateOutput } from './column-host.ts'
import { ExpiryLine } from './expiry-line.ts'
import type { Host } from './host.ts'
import { NO_SLOT } from './key-index.ts'
import type { OperatorHost } from './operator-host.ts'
import { STORED } from './slot-flags.ts'
import { SlotRows } from './slot-rows.ts'
import { WaitingRecords } from './waiting-records.ts'

/** A rough price of a waiting record in memory beside its value. */
const RECORD_BYTES = 150
/** In place of a slot: the key is an actor. */
const ACTOR = -2

export interface JoinHostOptions extends ColumnHostOptions<IntervalJoinOperator> {
  /** The keys with many records: of the same operator and over the same timers, which it writes. */
  readonly actors: OperatorHost
  /** Told of each time for which a record begins to wait. */
  readonly onWait: (time: Timestamp) => void
}

export class JoinHost implements Host {
  readonly name: string
  readonly #options: JoinHostOptions
  readonly #operator: IntervalJoinOperator
  readonly #actors: OperatorHost
  readonly #waiting = new WaitingRecords()
  readonly #rows: SlotRows
  readonly #lateOutput: Push
  /** By side: records by their last time, until they are moved to the timers (J3). */
  readonly #lines = [new ExpiryLine(), new ExpiryLine()] as const
  /** Slots that a turn looks at, and its results with their times; reused from turn to turn. */
  readonly #found: number[] = []
  readonly #results: unknown[] = []
  readonly #times: Timestamp[] = []
  /** How many of the results' places are taken; they are not cut, which would cost more than the turn. */
  #count = 0
  /** Turns of what was due since it was last asked to fire. */
  #turns = 0
  #fired = 0
  lateCount = 0

  constructor(options: JoinHostOptions) {
    this.name = options.name
    this.#options = options
    this.#operator = options.operator
    this.#actors = options.actors
    this.#rows = new SlotRows(this.#waiting, { ...options, slotBytes: RECORD_BYTES })
    this.#lateOutput = lateOutput(options.outputs)
  }

  pushOf(input: number): Push {
    const side = input === 0 ? 0 : 1
    const intoActor = this.#actors.pushOf(input)
    return (value, time, ofKey) => {
      const key = ofKey as Key
      if (time <= this.#options.watermark.value) {
        this.lateCount += 1
        this.#lateOutput({ side: side === 0 ? 'left' : 'right', value }, time, key)
        return
      }
      const first = this.#firstOf(key)
      if (first !== ACTOR && !(first !== NO_SLOT && this.#outgrows(key, first))) {
        this.#take(side, value, time, key, first)
        return
      }
      // An actor asks the timers (J3).
      this.#moveLines()
      intoActor(value, time, key)
    }
  }

  #take(side: Side, value: unknown, time: Timestamp, key: Key, first: number): void {
    const operator = this.#operator
    const isMet = first !== NO_SLOT && this.#findPartners(first, side, time)
    if (isMet && !this.#pair(side, value, time, key)) return
    const lastTime = time + operator.untilMs[side]
    if (lastTime > this.#options.watermark.value) {
      const waiting = this.#waiting
      const slot = waiting.add(key, first, { side, time, value, matched: isMet })
      waiting.noteChanged(slot)
      const line = this.#lines[side]
      if (lastTime < line.lastTime) this.#moveLines()
      line.push(lastTime, slot, waiting.numberAt(slot))
      this.#options.onWait(lastTime)
    } else if (!isMet && operator.leavesAlone[side]) this.#leave(side, value, time, key)
    if (this.#count > 0) this.#handOn(key)
  }

  /** Finds the records of the other side within the interval of one; true when there are some. */
  #findPartners(first: number, side: Side, time: Timestamp): boolean {
    const waiting = this.#waiting
    const found = this.#found
    const from = time + this.#operator.fromMs[side]
    const until = time + this.#operator.untilMs[side]
    found.length = 0
    for (let slot = first; slot !== NO_SLOT; slot = waiting.nextOf(slot)) {
      if (waiting.sideAt(slot) === side) continue
      const at = waiting.timeAt(slot)
      if (at >= from && at <= until) found.push(slot)
    }
    if (found.length > 1) found.sort(waiting.byTime)
    return found.length > 0
  }

  /** Makes the results of a record with the partners that were found; false when it was set aside. */
  #pair(side: Side, value: unknown, time: Timestamp, key: Key): boolean {
    const operator = this.#operator
    const waiting = this.#waiting
    const made = this.#attempt(value, key, () =>
      this.#found.map((slot) => operator.pair(side, value, waiting.valueAt(slot))),
    )
    if (made === undefined) return false
    for (const [i, slot] of this.#found.entries()) {
      this.#note(made.value[i], operator.timeOf(side, time, waiting.timeAt(slot)))
      if (!operator.leavesAlone[side === 0 ? 1 : 0] || waiting.isMatched(slot)) continue
      waiting.match(slot)
      waiting.noteChanged(slot)
    }
    return true
  }

  /** The result of a record that met none. */
  #leave(side: Side, value: unknown, time: Timestamp, key: Key): void {
    const made = this.#attempt(value, key, () => this.#operator.pair(side, value, undefined))
    if (made === undefined) return
    this.#note(made.value, time)
  }

  #note(result: unknown, time: Timestamp): void {
    const at = this.#count++
    this.#results[at] = result
    this.#times[at] = time
  }

  /** What user code makes; undefined when the record was set aside. */
  #attempt<Made>(value: unknown, key: Key, make: () => Made): { readonly value: Made } | undefined {
    try {
      return { value: make() }
    } catch (error) {
      return this.#options.failures.recover(this.name, { error, key, value }, make)
    }
  }

  /** After the turn, so that an error of a later operator is not taken for one of this. */
  #handOn(key: Key): void {
    const { main } = this.#options.outputs
    for (let i = 0; i < this.#count; i++) main(this.#results[i], this.#times[i] as Timestamp, key)
    this.#count = 0
  }

  // ── columns and actors ─────────────────────────────────────────────────────────────────────────

  /** The newest slot of a key; -1 when nothing waits under it, -2 when it is an actor. */
  #firstOf(key: Key): number {
    const first = this.#waiting.firstOf(key)
    if (first !== NO_SLOT) return first
    if (this.#actors.has(key)) return ACTOR
    return this.#rows.someAreElsewhere || this.#actors.someAreElsewhere ? this.#load(key) : NO_SLOT
  }

  #load(key: Key): number {
    const row = this.#rows.read(key, `operator '${this.name}': what waits`)
    if (row === undefined) return NO_SLOT
    const [stored] = row as [readonly unknown[] | null]
    if (stored === null) return ACTOR
    let first = NO_SLOT
    for (const [side, time, value, matched = false] of storedInOrder(stored)) {
      first = this.#waiting.add(key, first, { side, time, value, matched })
      this.#waiting.flags.mark(first, STORED)
    }
    return first
  }

  /** Makes a key an actor when it has no room for another record. */
  #outgrows(key: Key, first: number): boolean {
    const waiting = this.#waiting
    let count = 0
    for (let slot = first; slot !== NO_SLOT; slot = waiting.nextOf(slot)) count += 1
    if (count < INLINE_ENTRIES_MAX) return false
    const records = waiting.inOrder(first)
    this.#moveLines()
    const buffer = this.#actors.adopt(key, waiting.flags.has(first, STORED)) as JoinBuffer
    for (const { side, time, value, matched } of records) buffer.add(side, time, value, matched)
    for (let slot = first; slot !== NO_SLOT; slot = waiting.free(slot));
    return true
  }

  // ── end ────────────────────────────────────────────────────────────────────────────────────────

  fireEventTimers(budget: number): boolean {
    const { output, watermark, operator } = this.#options
    const isAll = this.#fire(watermark.value, budget)
    if (isAll) output.follow(watermark, operator.holdBackMs)
    return isAll
  }

  /** Fires what is due in order of time (J3); false when the budget ran out before. */
  #fire(upTo: Timestamp, budget: number): boolean {
    const { timers } = this.#options
    this.#turns = 0
    while (this.#isDue(upTo)) {
      if (this.#turns >= budget) return false
      const line = this.#lines[this.#earlierSide()]
      const time = line.firstTime
      if (timers.nextTime <= time) {
        if (!timers.fire(Math.min(time, upTo), budget - this.#turns, this.#onTimer)) return false
        continue
      }
      const slot = line.firstSlot
      const isThere = this.#waiting.numberAt(slot) === line.firstNumber
      line.removeFirst()
      if (!isThere) continue
      this.#turns += 1
      this.#end(this.#waiting.firstBeside(slot), time)
    }
    return true
  }

  /** The side whose line is first: of equal times, the record that came first. */
  #earlierSide(): Side {
    const [left, right] = this.#lines
    if (left.firstTime !== right.firstTime) return left.firstTime < right.firstTime ? 0 : 1
    return left.firstNumber < right.firstNumber ? 0 : 1
  }

  /** The earliest event time for which something waits; +∞ when nothing does. */
  get nextTime(): Timestamp {
    const [left, right] = this.#lines
    return Math.min(left.firstTime, right.firstTime, this.#options.timers.nextTime)
  }

  #isDue(upTo: Timestamp): boolean {
    const next = this.nextTime
    return next <= upTo && next !== Number.POSITIVE_INFINITY
  }

  /** In the order in which they would fire. */
  #moveLines(): void {
    for (;;) {
      const line = this.#lines[this.#earlierSide()]
      const time = line.firstTime
      if (time === Number.POSITIVE_INFINITY) return
      const slot = line.firstSlot
      const isThere = this.#waiting.numberAt(slot) === line.firstNumber
      if (isThere) this.#options.timers.add(time, this.#waiting.keyOf(slot) as Key)
      line.removeFirst()
    }
  }

  readonly #onTimer = (time: Timestamp, key: Key): void => {
    this.#turns += 1
    const first = this.#firstOf(key)
    if (first === ACTOR) this.#actors.wake(time, key)
    else if (first !== NO_SLOT) this.#end(first, time)
  }

  /** The turn of a key in columns for which a time has come. */
  #end(first: number, time: Timestamp): void {
    const key = this.#waiting.keyOf(first) as Key
    const isOnly = this.#waiting.nextOf(first) === NO_SLOT
    const side = this.#waiting.sideAt(first)
    if (isOnly) this.#release(side, first, time, key)
    else {
      this.#release(0, first, time, key)
      const left = this.#waiting.firstOf(key)
      if (left !== NO_SLOT) this.#release(1, left, time, key)
    }
    this.#fired += this.#count
    if (this.#count > 0) this.#handOn(key)
  }

  /** Lets the records go that no partner can meet any more. */
  #release(side: Side, first: number, time: Timestamp, key: Key): void {
    const waiting = this.#waiting
    const before = time - this.#operator.untilMs[side]
    const found = this.#found
    found.length = 0
    for (let slot = first; slot !== NO_SLOT; slot = waiting.nextOf(slot)) {
      if (waiting.timeAt(slot) <= before && waiting.sideAt(slot) === side) found.push(slot)
    }
    if (found.length > 1) found.sort(waiting.byTime)
    for (const slot of found) {
      const isAlone = this.#operator.leavesAlone[side] && !waiting.isMatched(slot)
      if (isAlone) this.#leave(side, waiting.valueAt(slot), waiting.timeAt(slot), key)
      this.#rows.free(slot)
    }
  }

  fireProcessingTimers(): boolean {
    return true
  }

  get isDue(): boolean {
    return this.#isDue(this.#options.watermark.value)
  }

  get nextProcessingTime(): Timestamp {
    return Number.POSITIVE_INFINITY
  }

  get fired(): number {
    return this.#fired + this.#actors.fired
  }

  // ── commit and room ────────────────────────────────────────────────────────────────────────────

  *write(writer: StoreWriter, epoch: number): Steps {
    this.#moveLines()
    yield* this.#rows.write(writer, epoch, this.#rowOf)
    yield* this.#actors.write(writer, epoch)
  }

  *evict(committedEpoch: number): Steps {
    yield* this.#rows.evict()
    yield* this.#actors.evict(committedEpoch)
  }

  readonly #rowOf = (first: number): unknown => [
    this.#waiting
      .inOrder(first)
      .flatMap(({ side, time, value, matched }, number) => [
        number,
        matched ? [side, time, value, true] : [side, time, value],
      ]),
  ]

  get isCrowded(): boolean {
    return this.#rows.isCrowded || this.#actors.isCrowded
  }

  get cachedKeys(): number {
    return this.#waiting.size + this.#actors.cachedKeys
  }
}

/** The records of a row, which has each behind its number, in the order in which they came. */
function storedInOrder(flat: readonly unknown[]): readonly StoredWaiting[] {
  const numbered = Array.from(
    { length: flat.length / 2 },
    (_, i) => [flat[2 * i] as number, flat[2 * i + 1] as StoredWaiting] as const,
  )
  return numbered.toSorted(([a], [b]) => a - b).map(([, stored]) => stored)
}
