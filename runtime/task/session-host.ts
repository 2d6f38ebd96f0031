/**
 * Runs sessions of which millions may be open: a record costs a look-up of its key and a few numbers in
 * columns, and touches no object of its key. In the store a key's open sessions are one row.
 *
 * N2 Each open session has one timer, at its end or, while it grows, before it: then the timer is set
 *    anew when it fires. The time it waits for is stored with it: which results come first is then the
 *    same whatever was in memory.
 */
import type { Key, Push } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import type { SessionOperator } from '../../operators/window/sessions.ts'
import type { StoreWriter } from '../state/store.ts'
import type { Steps } from '../time/turns.ts'
import type { WatermarkHolder } from '../time/watermark.ts'
import { type ColumnHostOptions, lateOutput } from './column-host.ts'
import type { Host } from './host.ts'
import { NO_SLOT } from './key-index.ts'
import { OpenSessions } from './open-sessions.ts'
import { STORED } from './slot-flags.ts'
import { SlotRows } from './slot-rows.ts'

/** A session as it is stored: a key's row has one cell, the list of its open sessions. */
type StoredSession = readonly [
  start: Timestamp,
  end: Timestamp,
  wakeAt: Timestamp,
  accumulator: unknown,
]

/** A rough price of a session in memory beside its accumulator. */
const SESSION_BYTES = 120

export class SessionHost implements Host {
  readonly name: string
  readonly #options: ColumnHostOptions<SessionOperator>
  readonly #gapMs: number
  readonly #watermark: WatermarkHolder
  readonly #lateOutput: Push
  readonly #sessions: OpenSessions
  readonly #rows: SlotRows
  fired = 0
  lateCount = 0

  constructor(options: ColumnHostOptions<SessionOperator>) {
    this.name = options.name
    this.#options = options
    this.#gapMs = options.operator.gapMs
    this.#watermark = options.watermark
    this.#lateOutput = lateOutput(options.outputs)
    this.#sessions = new OpenSessions(options.operator.column())
    this.#rows = new SlotRows(this.#sessions, { ...options, slotBytes: SESSION_BYTES })
  }

  pushOf(): Push {
    return this.#push
  }

  readonly #push: Push = (value, time, ofKey) => {
    const key = ofKey as Key
    const sessions = this.#sessions
    const end = time + this.#gapMs
    let first = sessions.firstOf(key)
    if (first === NO_SLOT && this.#rows.someAreElsewhere) first = this.#load(key)
    let touched = NO_SLOT
    let count = 0
    for (let slot = first; slot !== NO_SLOT; slot = sessions.nextOf(slot)) {
      if (sessions.startOf(slot) > end || sessions.endOf(slot) < time) continue
      touched = slot
      count += 1
    }
    if (count > 1) this.#bridge(value, time, key)
    else if (count === 1) this.#grow(value, time, touched)
    else if (end - 1 <= this.#watermark.value) this.#late(value, time, key)
    else this.#open(value, time, key, first)
  }

  /** What most records do: one makes its key's session longer. */
  #grow(value: unknown, time: Timestamp, slot: number): void {
    const sessions = this.#sessions
    if (!this.#stage(value, slot)) return
    sessions.column.apply(slot)
    const start = Math.min(sessions.startOf(slot), time)
    sessions.stretch(slot, start, Math.max(sessions.endOf(slot), time + this.#gapMs))
    sessions.noteChanged(slot)
  }

  #open(value: unknown, time: Timestamp, key: Key, first: number): void {
    const sessions = this.#sessions
    const slot = sessions.open(key, first, time, time + this.#gapMs)
    if (!this.#stage(value, slot)) {
      sessions.free(slot)
      return
    }
    sessions.column.apply(slot)
    this.#waitFor(slot)
    sessions.noteChanged(slot)
  }

  /** Reads the value for its slot; false when the record was set aside. */
  #stage(value: unknown, slot: number): boolean {
    const { column } = this.#sessions
    try {
      column.stage(slot, value)
      return true
    } catch (error) {
      const failure = { error, key: this.#sessions.keyOf(slot) as Key, value }
      const again = (): void => column.stage(slot, value)
      return this.#options.failures.recover(this.name, failure, again) !== undefined
    }
  }

  /** A record between sessions makes one of them: the first of them goes on. */
  #bridge(value: unknown, time: Timestamp, key: Key): void {
    const { aggregate } = this.#options.operator
    const sessions = this.#sessions
    const [first, ...others] = this.#touching(key, time, time + this.#gapMs)
    if (first === undefined) return
    const merged = (): unknown => {
      const parts = [first, ...others].map((slot) => sessions.column.get(slot))
      // The merged accumulator is new, so a value may be added to it in place.
      return aggregate.add(
        parts.reduce((left, right) => aggregate.merge(left, right)),
        value,
      )
    }
    let accumulator: { readonly value: unknown } | undefined
    try {
      accumulator = { value: merged() }
    } catch (error) {
      accumulator = this.#options.failures.recover(this.name, { error, key, value }, merged)
    }
    if (accumulator === undefined) return
    const all = [first, ...others]
    const start = Math.min(time, ...all.map((slot) => sessions.startOf(slot)))
    const end = Math.max(time + this.#gapMs, ...all.map((slot) => sessions.endOf(slot)))
    for (const slot of others) sessions.free(slot)
    sessions.column.set(first, accumulator.value)
    sessions.stretch(first, start, end)
    sessions.noteChanged(first)
  }

  /** The sessions of a key that touch an interval, in order of time. */
  #touching(key: Key, from: Timestamp, to: Timestamp): readonly number[] {
    const sessions = this.#sessions
    const slots: number[] = []
    for (let slot = sessions.firstOf(key); slot !== NO_SLOT; slot = sessions.nextOf(slot)) {
      if (sessions.startOf(slot) <= to && sessions.endOf(slot) >= from) slots.push(slot)
    }
    return slots.toSorted((a, b) => sessions.startOf(a) - sessions.startOf(b))
  }

  #late(value: unknown, time: Timestamp, key: Key): void {
    this.lateCount += 1
    this.#lateOutput(value, time, key)
  }

  /** N2 */
  #waitFor(slot: number): void {
    const last = this.#sessions.endOf(slot) - 1
    this.#sessions.wakeAt(slot, last)
    this.#options.timers.add(last, this.#sessions.keyOf(slot) as Key)
  }

  // ── end ────────────────────────────────────────────────────────────────────────────────────────

  fireEventTimers(budget: number): boolean {
    const { timers, output } = this.#options
    const input = this.#watermark
    const isAll = !timers.isDue(input.value) || timers.fire(input.value, budget, this.#onTimer)
    if (isAll) output.follow(input)
    return isAll
  }

  fireProcessingTimers(): boolean {
    return true
  }

  get cachedKeys(): number {
    return this.#sessions.size
  }

  get isDue(): boolean {
    return this.#options.timers.isDue(this.#watermark.value)
  }

  get nextProcessingTime(): Timestamp {
    return Number.POSITIVE_INFINITY
  }

  get isCrowded(): boolean {
    return this.#rows.isCrowded
  }

  readonly #onTimer = (time: Timestamp, key: Key): void => {
    const sessions = this.#sessions
    let slot = sessions.firstOf(key)
    if (slot === NO_SLOT && this.#rows.someAreElsewhere) slot = this.#load(key)
    while (slot !== NO_SLOT) {
      const next = sessions.nextOf(slot)
      if (sessions.endOf(slot) - 1 <= time) this.#end(slot, key)
      else if (sessions.wakeAtOf(slot) === time) {
        this.#waitFor(slot)
        sessions.noteChanged(slot)
      }
      slot = next
    }
  }

  #end(slot: number, key: Key): void {
    const { operator, failures, outputs } = this.#options
    const sessions = this.#sessions
    const window = { start: sessions.startOf(slot), end: sessions.endOf(slot) }
    const close = (): unknown => operator.close(sessions.column, slot, key, window)
    let closed: { readonly value: unknown } | undefined
    try {
      closed = { value: close() }
    } catch (error) {
      const failure = { error, key, value: sessions.column.get(slot) }
      closed = failures.recover(this.name, failure, close)
    }
    this.#rows.free(slot)
    if (closed === undefined) return
    this.fired += 1
    outputs.main(closed.value, window.end - 1, key)
  }

  // ── commit and room ────────────────────────────────────────────────────────────────────────────

  /** Reads a key's sessions from the store; the newest of them, or -1. */
  #load(key: Key): number {
    const row = this.#rows.read(key, `operator '${this.name}': the sessions`)
    if (row === undefined) return NO_SLOT
    const sessions = this.#sessions
    let first = NO_SLOT
    const [stored] = row as [readonly StoredSession[]]
    for (const [start, end, wakeAt, accumulator] of stored) {
      first = sessions.open(key, first, start, end)
      sessions.wakeAt(first, wakeAt)
      sessions.column.set(first, accumulator)
      sessions.flags.mark(first, STORED)
    }
    return first
  }

  *write(writer: StoreWriter, epoch: number): Steps {
    yield* this.#rows.write(writer, epoch, this.#rowOf)
    yield* this.#options.timers.write(writer, epoch)
  }

  readonly #rowOf = (first: number): unknown => {
    const sessions = this.#sessions
    const stored: StoredSession[] = []
    for (let slot = first; slot !== NO_SLOT; slot = sessions.nextOf(slot)) {
      const [start, end] = [sessions.startOf(slot), sessions.endOf(slot)]
      stored.push([start, end, sessions.wakeAtOf(slot), sessions.column.get(slot)])
    }
    return [stored]
  }

  evict(_committedEpoch: number): Steps {
    return this.#rows.evict()
  }
}
