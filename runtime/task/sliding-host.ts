/**
 * Runs sliding windows that fire once: takes what the slices of each key came to and fires the windows
 * that end with them. No key has a turn, and their accumulators are in a column. The rules are the
 * SlidingOperator's, which as key actors gives the same.
 *
 * R1 The rows are those of the key actors: a state does not know by which of both it was written.
 * R2 As W1: while a key has slices of windows that have not fired, a timer waits for the first of them.
 */
import { type Column, columnOf } from '../../operators/aggregate/column.ts'
import type { Key, Push } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import type { SlicePart, SlidingOperator } from '../../operators/window/sliding-operator.ts'
import { NO_ACCUMULATOR, type SlotSlices } from '../../operators/window/slot-slices.ts'
import { onlyResult } from '../../operators/window/window.ts'
import { entryOf, entryRange, entryRowKey, ownRowKey } from '../state/key-codec.ts'
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { StoreWriter } from '../state/store.ts'
import { ROWS_PER_STEP, type Steps } from '../time/turns.ts'
import type { ColumnHostOptions } from './column-host.ts'
import type { Host } from './host.ts'
import { NO_SLOT } from './key-index.ts'
import { STORED } from './slot-flags.ts'
import { SlotRows } from './slot-rows.ts'
import { WindowKeys } from './window-keys.ts'

/** A rough price of a key in memory beside its rows. */
const KEY_BYTES = 400
/** The cell of a key whose entries are runs of slices. */
const SLICES_CELL = 0

/** In place of the value of a window without slices. */
const NOTHING = Symbol('no slices')

/** A key's own row: its slices, unless they have rows of their own, and the first window to fire. */
type StoredKey = readonly [slices: unknown, pending: number | undefined]

export class SlidingHost implements Host {
  readonly name: string
  readonly #options: ColumnHostOptions<SlidingOperator>
  readonly #operator: SlidingOperator
  readonly #column: Column
  readonly #keys: WindowKeys
  readonly #rows: SlotRows
  /** Rows of runs whose keys have gone. */
  #removals: Uint8Array[] = []
  fired = 0
  readonly lateCount = 0

  constructor(options: ColumnHostOptions<SlidingOperator>) {
    this.name = options.name
    this.#options = options
    this.#operator = options.operator
    this.#column = columnOf(options.operator.aggregate)
    this.#keys = new WindowKeys(this.#column, options.operator.numbers.length)
    this.#rows = new SlotRows(this.#keys, { ...options, slotBytes: KEY_BYTES })
  }

  pushOf(): Push {
    return this.#push
  }

  readonly #push: Push = (value, _time, ofKey) => {
    const part = value as SlicePart
    const { numbers } = this.#operator
    const keys = this.#keys
    const key = ofKey as Key
    const known = this.#slotOf(key)
    const slot = known === NO_SLOT ? keys.open(key) : known
    if (!this.#add(slot, part)) return
    keys.noteChanged(slot)
    const first = Math.max(
      numbers.firstWindowOf(part.number),
      numbers.firstOpen(this.#options.watermark.value),
    )
    if (first <= numbers.lastWindowOf(part.number)) this.#waitFor(slot, first)
  }

  /** Takes a part in; false when it was set aside. */
  #add(slot: number, part: SlicePart): boolean {
    const { number } = part
    const slices = this.#keys.slicesOf(slot)
    const held = slices.get(number) as number | undefined
    if (held === undefined) {
      slices.take(number, part.column, part.slot)
      return true
    }
    const { aggregate } = this.#operator
    const merge = (): unknown => aggregate.merge(this.#column.get(held), part.accumulator)
    let merged: { readonly value: unknown } | undefined
    try {
      merged = { value: merge() }
    } catch (error) {
      const failure = { error, key: this.#keys.keyOf(slot), value: part.accumulator }
      merged = this.#options.failures.recover(this.name, failure, merge)
    }
    if (merged !== undefined) slices.replace(number, merged.value)
    return merged !== undefined
  }

  /** R2 */
  #waitFor(slot: number, window: number): void {
    const keys = this.#keys
    if (keys.pendingOf(slot) <= window) return
    keys.waitFor(slot, window)
    this.#options.timers.add(this.#operator.numbers.endOf(window) - 1, keys.keyOf(slot) as Key)
  }

  // ── fire ───────────────────────────────────────────────────────────────────────────────────────

  fireEventTimers(budget: number): boolean {
    const { timers, output, watermark } = this.#options
    const isAll =
      !timers.isDue(watermark.value) || timers.fire(watermark.value, budget, this.#onTimer)
    if (isAll) output.follow(watermark)
    return isAll
  }

  readonly #onTimer = (time: Timestamp, key: Key): void => {
    const slot = this.#slotOf(key)
    if (slot === NO_SLOT) return
    const keys = this.#keys
    const slices = keys.slicesOf(slot)
    const window = keys.pendingOf(slot)
    const isDue = this.#operator.numbers.endOf(window) - 1 === time
    const value = isDue ? this.#valueOf(slices, window, key) : NOTHING
    if (isDue) this.#waitForNext(slot, slices, window)
    this.#expire(slot, slices)
    if (value === NOTHING) return
    this.fired += 1
    const { numbers, keyed } = this.#operator
    this.#options.outputs.main(onlyResult(key, value, numbers.windowOf(window), keyed), time, key)
  }

  #valueOf(slices: SlotSlices, window: number, key: Key): unknown {
    try {
      return this.#combined(slices, window)
    } catch (error) {
      const failure = { error, key, value: { window: this.#operator.numbers.windowOf(window) } }
      const again = (): unknown => this.#combined(slices, window)
      const made = this.#options.failures.recover(this.name, failure, again)
      return made === undefined ? NOTHING : made.value
    }
  }

  #combined(slices: SlotSlices, window: number): unknown {
    const { step, length } = this.#operator.numbers
    try {
      const accumulator = slices.over(window * step, window * step + length - 1)
      return accumulator === NO_ACCUMULATOR ? NOTHING : this.#column.result(accumulator)
    } catch (error) {
      slices.forget()
      throw error
    }
  }

  #waitForNext(slot: number, slices: SlotSlices, fired: number): void {
    const { numbers } = this.#operator
    this.#keys.waitFor(slot, Number.NaN)
    const next = slices.indexFrom((fired + 1) * numbers.step)
    if (next === slices.size) return
    this.#waitFor(slot, Math.max(fired + 1, numbers.firstWindowOf(slices.numberAt(next))))
  }

  /** Lets slices go that no window needs any more, and with the last of them the key. */
  #expire(slot: number, slices: SlotSlices): void {
    const { numbers } = this.#operator
    const keys = this.#keys
    const pending = keys.pendingOf(slot)
    while (!slices.isEmpty && !(numbers.lastWindowOf(slices.numberAt(0)) >= pending)) {
      slices.removeFirst()
    }
    if (!slices.isEmpty) {
      keys.noteChanged(slot)
      return
    }
    this.#removeRuns(slot, slices)
    this.#rows.free(slot)
  }

  fireProcessingTimers(): boolean {
    return true
  }

  get isDue(): boolean {
    return this.#options.timers.isDue(this.#options.watermark.value)
  }

  get nextProcessingTime(): Timestamp {
    return Number.POSITIVE_INFINITY
  }

  get cachedKeys(): number {
    return this.#keys.size
  }

  get isCrowded(): boolean {
    return this.#rows.isCrowded
  }

  // ── commit and room ────────────────────────────────────────────────────────────────────────────

  /** The slot of a key, from memory or from the store; -1 when nothing is kept of it. */
  #slotOf(key: Key): number {
    const slot = this.#keys.firstOf(key)
    return slot === NO_SLOT && this.#rows.someAreElsewhere ? this.#load(key) : slot
  }

  #load(key: Key): number {
    const what = `operator '${this.name}': the slices`
    const row = this.#rows.read(key, what)
    if (row === undefined) return NO_SLOT
    const [inline, pending] = row as StoredKey
    const keys = this.#keys
    const slot = keys.open(key)
    keys.flags.mark(slot, STORED)
    keys.waitFor(slot, pending ?? Number.NaN)
    const slices = keys.slicesOf(slot)
    slices.restoreInline(inline)
    if (!slices.spilled) return slot
    const rowKey = this.#rowKey(key)
    let bytes = 0
    for (const run of this.#options.store.range('state', entryRange(rowKey, SLICES_CELL))) {
      const { value } = decodeRow(run.value, `${what} of key ${JSON.stringify(key)}`)
      slices.restoreEntry(entryOf(run.key, rowKey), value)
      bytes += run.value.length
    }
    keys.weigh(slot, bytes)
    return slot
  }

  *write(writer: StoreWriter, epoch: number): Steps {
    let removals = 0
    for (const rowKey of this.#removals) {
      writer.remove('state', rowKey)
      if (++removals % ROWS_PER_STEP === 0) yield
    }
    this.#removals = []
    yield* this.#rows.write(writer, epoch, (slot) => this.#writeKey(slot, writer, epoch))
    yield* this.#options.timers.write(writer, epoch)
  }

  /** Writes the runs of a key that changed. @returns its own row. */
  #writeKey(slot: number, writer: StoreWriter, epoch: number): StoredKey {
    const keys = this.#keys
    const slices = keys.slicesOf(slot)
    const pending = keys.pendingOf(slot)
    const inline = slices.inline()
    if (slices.spilled) this.#writeRuns(slot, slices, writer, epoch)
    return [inline, pending === pending ? pending : undefined]
  }

  #writeRuns(slot: number, slices: SlotSlices, writer: StoreWriter, epoch: number): void {
    const rowKey = this.#rowKey(this.#keys.keyOf(slot) as Key)
    let [puts, bytes] = [0, 0]
    slices.takeChanges((run, value) => {
      const runKey = entryRowKey(rowKey, SLICES_CELL, run)
      if (value === undefined) {
        writer.remove('state', runKey)
        return
      }
      const row = encodeRow(value, epoch)
      writer.put('state', runKey, row)
      puts += 1
      bytes += row.length
    })
    // Those that did not change are taken for as large as those that did.
    if (puts > 0) this.#keys.weigh(slot, slices.entriesInMemory * (bytes / puts))
  }

  /** Of a key without slices: what is left to write of its runs is that they are gone. */
  #removeRuns(slot: number, slices: SlotSlices): void {
    if (!slices.spilled) return
    const rowKey = this.#rowKey(this.#keys.keyOf(slot) as Key)
    slices.takeChanges((run) => {
      this.#removals.push(entryRowKey(rowKey, SLICES_CELL, run))
    })
  }

  #rowKey(key: Key): Uint8Array {
    return ownRowKey(this.#options.number, key)
  }

  evict(_committedEpoch: number): Steps {
    return this.#rows.evict()
  }
}
