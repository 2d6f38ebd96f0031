/**
 * Runs an operator whose state is one accumulator for each key of each open window. The accumulators
 * are kept by window and in columns: a record costs one look-up of its key in its window, and touches
 * no object of its key. Rows of the store are by key, as every state is.
 *
 * P1 A slot that differs from the committed store is in memory; only others are dropped to make room.
 * P2 A key has one timer for each of its windows: it was asked for with the slot and is in the same commit.
 */
import type { Key, Push } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import type { SliceOperator } from '../../operators/window/slices.ts'
import { actorRowKey, encodeKey, entryRowKey } from '../state/key-codec.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { StoreWriter } from '../state/store.ts'
import type { TimerQueue } from '../time/timer-queue.ts'
import { ROWS_PER_STEP, type Steps } from '../time/turns.ts'
import type { WatermarkHolder } from '../time/watermark.ts'
import { type ColumnHostOptions, lateOutput } from './column-host.ts'
import type { Host } from './host.ts'
import { NO_SLOT } from './key-index.ts'
import { CLOSED, Slice } from './slice.ts'
import { DIRTY, RECENT, STORED } from './slot-flags.ts'

/** A rough price of a slot in memory beside its row. */
const SLOT_BYTES = 80
/** A value in memory takes about this many times its encoded bytes. */
const BYTES_GROWTH = 4
/** How many emptied slices are kept to be used again, and how large they may be. */
const SPARE_MAX = 8
const SPARE_SLOTS_MAX = 4_096
/** The only cell of a key: its windows. */
const CELL = 0

export class SliceHost implements Host {
  readonly name: string
  readonly #options: ColumnHostOptions<SliceOperator>
  readonly #ofEventTime: boolean
  readonly #watermark: WatermarkHolder
  readonly #lateOutput: Push
  readonly #main: Push
  /** Open windows by their last time. */
  readonly #slices = new Map<Timestamp, Slice>()
  /** The window of the last record: neighbours in time share it. */
  #slice: Slice | undefined
  #start: Timestamp = Number.NaN
  #lastTime: Timestamp = Number.NaN
  /** Last times of slices whose keys are all in the store only. */
  readonly #elsewhere = new Set<Timestamp>()
  /** All slices up to here have closed. */
  #firedUpTo: Timestamp = Number.NEGATIVE_INFINITY
  /** Emptied slices to use again. */
  readonly #spare: Slice[] = []
  #removals: Uint8Array[] = []
  #slots = 0
  /** Mean bytes of a row as last written; what the bound of memory is estimated by. */
  #rowBytes = 0
  #dirtyCount = 0
  fired = 0
  lateCount = 0

  constructor(options: ColumnHostOptions<SliceOperator>) {
    this.name = options.name
    this.#options = options
    this.#ofEventTime = options.operator.clock === 'event'
    this.#watermark = options.watermark
    this.#lateOutput = lateOutput(options.outputs)
    this.#main = options.outputs.main
  }

  pushOf(): Push {
    return this.#push
  }

  readonly #push: Push = (value, time, key) => {
    const at = this.#ofEventTime ? time : this.#now()
    if (!(at >= this.#start && at <= this.#lastTime)) this.#moveTo(at)
    if (this.#ofEventTime && this.#lastTime <= this.#watermark.value) {
      this.#takeLate(value, time, key as Key)
      return
    }
    const slice = this.#slice ?? this.#openSlice()
    let slot = slice.slots.get(key as Key)
    if (slot === NO_SLOT) slot = this.#openSlot(slice, key as Key)
    try {
      slice.column.stage(slot, value)
    } catch (error) {
      if (!this.#recover(slice, slot, error, value)) return
    }
    slice.column.apply(slot)
    if (!slice.flags.has(slot, DIRTY)) this.#noteDirty(slice, slot)
  }

  /** The clock; never in a slice that has closed, though clocks can be set back. */
  #now(): Timestamp {
    return Math.max(this.#options.now(), this.#firedUpTo + 1)
  }

  #moveTo(time: Timestamp): void {
    const { start, end } = this.#options.operator.sliceAt(time)
    this.#start = start
    this.#lastTime = end - 1
    this.#slice = this.#slices.get(end - 1)
  }

  #openSlice(): Slice {
    const { operator, mayHaveStored, timers } = this.#options
    const window = { start: this.#start, end: this.#lastTime + 1 }
    const isElsewhere =
      this.#elsewhere.has(this.#lastTime) || (mayHaveStored && timers.hasEarlier(this.#lastTime))
    const slice = this.#spare.pop() ?? new Slice(operator.columns())
    slice.begin(window, isElsewhere)
    this.#slices.set(this.#lastTime, slice)
    this.#slice = slice
    return slice
  }

  #openSlot(slice: Slice, key: Key): number {
    const slot = slice.open(key)
    this.#slots += 1
    if (!(slice.someAreElsewhere && this.#load(slice, slot))) {
      this.#options.timers.add(slice.lastTime, key)
    }
    return slot
  }

  /** Fills a slot from the store; false when the store has no row of it. */
  #load(slice: Slice, slot: number): boolean {
    const key = slice.keys[slot] as Key
    const bytes = this.#options.store.get('state', this.#rowKey(slice, slot))
    if (bytes === undefined) return false
    const what = `the window ${slice.window.start} of key ${JSON.stringify(key)} of operator '${this.name}'`
    slice.column.set(slot, decodeRow(bytes, what).value)
    slice.flags.mark(slot, STORED)
    return true
  }

  #rowKey(slice: Slice, slot: number): Uint8Array {
    const row = actorRowKey(this.#options.number, encodeKey(slice.keys[slot] as Key))
    return entryRowKey(row, CELL, slice.window.start)
  }

  #noteDirty(slice: Slice, slot: number): void {
    slice.flags.mark(slot, DIRTY | RECENT)
    slice.dirty.push(slot)
    this.#dirtyCount += 1
  }

  /** Tries again by the operator's policy; false when the record was set aside. */
  #recover(slice: Slice, slot: number, error: unknown, value: unknown): boolean {
    const key = slice.keys[slot] as Key
    const failure = { error, key, value }
    const again = this.#options.failures.recover(this.name, failure, () =>
      slice.column.stage(slot, value),
    )
    if (again !== undefined) return true
    // A slot that was made for this record alone never came to be; its timer finds nothing.
    if (!slice.flags.has(slot, DIRTY | STORED)) {
      this.#closeSlot(slice, slot)
      // The key may come again (P2): then with a slot and a timer of its own.
      slice.slots.delete(key)
    }
    return false
  }

  /** A record whose slice has closed: of use to a window that is still open, or too late. */
  #takeLate(value: unknown, time: Timestamp, key: Key): void {
    const { operator, failures } = this.#options
    const slice = { start: this.#start, end: this.#lastTime + 1 }
    const openUntil = operator.openUntil?.(slice) ?? this.#lastTime
    if (operator.part === undefined || openUntil <= this.#watermark.value) {
      this.#late(value, time, key)
      return
    }
    let part: { readonly value: unknown } | undefined
    try {
      part = { value: operator.part(value, slice) }
    } catch (error) {
      const again = (): unknown => operator.part?.(value, slice)
      part = failures.recover(this.name, { error, key, value }, again)
    }
    if (part !== undefined) this.#main(part.value, this.#lastTime, key)
  }

  #late(value: unknown, time: Timestamp, key: Key): void {
    this.lateCount += 1
    this.#lateOutput(value, time, key)
  }

  // ── close ──────────────────────────────────────────────────────────────────────────────────────

  fireEventTimers(budget: number): boolean {
    const { timers, output } = this.#options
    const input = this.#watermark
    const isAll = !this.#ofEventTime || this.#fire(timers, input.value, budget)
    if (isAll) output.follow(input)
    return isAll
  }

  fireProcessingTimers(budget: number): boolean {
    return this.#ofEventTime || this.#fire(this.#options.timers, this.#options.now(), budget)
  }

  #fire(timers: TimerQueue, upTo: Timestamp, budget: number): boolean {
    if (!timers.isDue(upTo)) return true
    this.#firedUpTo = Math.max(this.#firedUpTo, upTo)
    const isAll = timers.fire(upTo, budget, this.#onTimer)
    // What is over has been handed on whole: its timers fire in order of time.
    for (const [lastTime, slice] of this.#slices) {
      if (lastTime > upTo || lastTime >= timers.nextTime) continue
      this.#slots -= slice.openCount
      this.#dirtyCount -= slice.dirty.length
      this.#slices.delete(lastTime)
      this.#elsewhere.delete(lastTime)
      if (this.#spare.length < SPARE_MAX && slice.keys.length <= SPARE_SLOTS_MAX) {
        this.#spare.push(slice)
      }
      if (this.#slice === slice) this.#forgetSlice()
    }
    return isAll
  }

  #forgetSlice(): void {
    this.#slice = undefined
    this.#start = Number.NaN
    this.#lastTime = Number.NaN
  }

  get cachedKeys(): number {
    return this.#slots
  }

  get isDue(): boolean {
    return this.#ofEventTime && this.#options.timers.isDue(this.#watermark.value)
  }

  get nextProcessingTime(): Timestamp {
    return this.#ofEventTime ? Number.POSITIVE_INFINITY : this.#options.timers.nextTime
  }

  readonly #onTimer = (time: Timestamp, key: Key): void => {
    if (this.#lastTime !== time) this.#moveTo(time)
    const slice = this.#slice ?? this.#openSlice()
    let slot = slice.slots.get(key)
    if (slot === NO_SLOT) {
      if (!slice.someAreElsewhere) return
      slot = slice.open(key)
      this.#slots += 1
      if (!this.#load(slice, slot)) {
        this.#closeSlot(slice, slot)
        return
      }
    }
    if (slice.flags.has(slot, CLOSED)) return
    const closed = this.#close(slice, slot, key)
    this.#closeSlot(slice, slot)
    if (closed === undefined) return
    this.fired += 1
    this.#main(closed.value, slice.lastTime, key)
  }

  #close(slice: Slice, slot: number, key: Key): { readonly value: unknown } | undefined {
    const { operator, failures } = this.#options
    try {
      return { value: operator.close(slice.column, slot, key, slice.window) }
    } catch (error) {
      const failure = { error, key, value: slice.column.get(slot) }
      const again = (): unknown => operator.close(slice.column, slot, key, slice.window)
      return failures.recover(this.name, failure, again)
    }
  }

  #closeSlot(slice: Slice, slot: number): void {
    if (slice.flags.has(slot, STORED)) this.#removals.push(this.#rowKey(slice, slot))
    slice.flags.mark(slot, CLOSED)
    slice.flags.unmark(slot, STORED)
    slice.openCount -= 1
    this.#slots -= 1
  }

  // ── commit and room ────────────────────────────────────────────────────────────────────────────

  *write(writer: StoreWriter, epoch: number): Steps {
    let [removals, rows, bytes] = [0, 0, 0]
    for (const rowKey of this.#removals) {
      writer.remove('state', rowKey)
      if (++removals % ROWS_PER_STEP === 0) yield
    }
    this.#removals = []
    for (const slice of this.#slices.values()) {
      for (const slot of slice.dirty) {
        slice.flags.unmark(slot, DIRTY)
        if (slice.flags.has(slot, CLOSED)) continue
        const row = encodeRow(slice.column.get(slot), epoch)
        writer.put('state', this.#rowKey(slice, slot), row)
        slice.flags.mark(slot, STORED)
        rows += 1
        bytes += row.length
        if (rows % ROWS_PER_STEP === 0) yield
      }
      slice.dirty = []
    }
    if (rows > 0) this.#rowBytes = bytes / rows
    this.#dirtyCount = 0
    yield* this.#options.timers.write(writer, epoch)
  }

  /** Drops slots that did not change since room was last made: all that a later record needs is in the store. */
  *evict(_committedEpoch: number): Steps {
    if (!this.#isOverFull) return
    for (const [lastTime, slice] of this.#slices) {
      // One that is closing remembers which keys have closed, and will be gone in a moment.
      if (lastTime <= this.#firedUpTo) continue
      const thinned = yield* this.#thinned(slice)
      if (thinned.openCount > 0) this.#slices.set(lastTime, thinned)
      else {
        this.#slices.delete(lastTime)
        this.#elsewhere.add(lastTime)
      }
    }
    this.#forgetSlice()
  }

  get #isOverFull(): boolean {
    const { entriesMax, bytesMax } = this.#options.limits
    const bytes = this.#slots * (SLOT_BYTES + this.#rowBytes * BYTES_GROWTH)
    return this.#slots > entriesMax || bytes > bytesMax
  }

  get isCrowded(): boolean {
    return this.#isOverFull && this.#dirtyCount * 2 >= this.#options.limits.entriesMax
  }

  *#thinned(slice: Slice): Generator<void, Slice> {
    const thin = new Slice(this.#options.operator.columns())
    thin.begin(slice.window, true)
    for (const [from, key] of slice.keys.entries()) {
      if (from % ROWS_PER_STEP === 0) yield
      if (slice.flags.has(from, CLOSED) || !slice.flags.has(from, RECENT | DIRTY)) continue
      const to = thin.open(key)
      thin.column.set(to, slice.column.get(from))
      thin.flags.set(to, slice.flags.of(from) & ~RECENT)
      if (thin.flags.has(to, DIRTY)) thin.dirty.push(to)
    }
    this.#slots -= slice.openCount - thin.openCount
    return thin
  }
}
