/**
 * Runs one keyed operator: gives each record and timer its key's turn, hands on what the turn
 * emitted once it is over, and keeps actors and timers.
 *
 * H1 What a turn emitted is handed on after the turn, so nothing is handed on from a turn that failed,
 *    and an error of a later operator is never taken for one of this operator.
 */
import type { Key, KeyedOperator, Push, TimerClock, Turn } from '../../operators/operator.ts'
import type { StateCell } from '../../operators/state.ts'
import type { Timestamp } from '../../operators/time.ts'
import { invariant, InvariantError } from '../errors.ts'
import type { StoreWriter } from '../state/store.ts'
import type { TimerQueue } from '../time/timer-queue.ts'
import type { Steps } from '../time/turns.ts'
import type { WatermarkHolder } from '../time/watermark.ts'
import type { ActorCache } from './actor-cache.ts'
import type { FailureDesk } from './failure-desk.ts'
import type { Host } from './host.ts'
import type { KeyActor } from './key-actor.ts'

/** Where the outputs of an operator go. */
export interface HostOutputs {
  readonly main: Push
  readonly sides: Readonly<Record<string, Push>>
  /** Takes late records that no side output takes. */
  readonly late: (value: unknown, time: Timestamp, key: Key) => void
}

export interface OperatorHostOptions {
  readonly name: string
  readonly operator: KeyedOperator
  readonly actors: ActorCache
  /** Where the cells are that all keys share, of an operator that has such. */
  readonly shared?: ActorCache
  readonly eventTimers: TimerQueue
  readonly processingTimers: TimerQueue
  /** How far time has come at its input. */
  readonly watermark: WatermarkHolder
  /** How far time has come behind it: results of timers are handed on before. */
  readonly output: WatermarkHolder
  readonly now: () => number
  readonly outputs: HostOutputs
  readonly failures: FailureDesk
}

const MAIN = ''
/** Under which key the cells that all keys share are kept, in a cache of their own. */
export const SHARED_KEY = ''
const NO_CELLS: readonly StateCell[] = []

export class OperatorHost implements Turn, Host {
  readonly name: string
  readonly #operator: KeyedOperator
  readonly #options: OperatorHostOptions
  readonly #actors: ActorCache
  readonly #watermark: WatermarkHolder
  readonly #holdBackMs: number
  #actor: KeyActor | undefined
  /** The cache that the actor of the current turn is from. */
  #home: ActorCache
  /** The cells that all keys share: one actor, in memory for good. */
  readonly #shared: KeyActor | undefined
  readonly shared: readonly StateCell[]
  /** Results of the current turn: side ('' is the main output), value and time, in three columns. */
  readonly #sides: string[] = []
  readonly #values: unknown[] = []
  readonly #times: Timestamp[] = []
  /** How many of the columns' places are taken; they are reused, not cut, which would cost more than the turn. */
  #count = 0
  #saved = 0
  fired = 0
  lateCount = 0

  constructor(options: OperatorHostOptions) {
    this.name = options.name
    this.#options = options
    this.#operator = options.operator
    this.#actors = options.actors
    this.#home = options.actors
    this.#shared = options.shared?.activate(SHARED_KEY)
    this.shared = this.#shared?.cells ?? NO_CELLS
    this.#watermark = options.watermark
    this.#holdBackMs = options.operator.holdBackMs ?? 0
  }

  get isCrowded(): boolean {
    return this.#actors.isCrowded
  }

  *evict(committedEpoch: number): Steps {
    yield* this.#actors.evict(committedEpoch)
    if (this.#options.shared !== undefined) yield* this.#options.shared.evict(committedEpoch)
  }

  /** The key whose turn it is. */
  get #current(): KeyActor {
    if (this.#actor === undefined) throw new InvariantError(`'${this.name}' is used during a turn`)
    return this.#actor
  }

  get key(): Key {
    return this.#current.key
  }

  get cells(): readonly StateCell[] {
    return this.#current.cells
  }

  get cell(): StateCell {
    return this.#current.cell
  }

  get watermark(): Timestamp {
    return this.#watermark.value
  }

  get now(): Timestamp {
    return this.#options.now()
  }

  pushOf(input: number): Push {
    const { shared } = this.#options
    if (shared !== undefined && input === this.#operator.shared?.input) {
      return this.#broadcast(shared, input)
    }
    return (value, time, key) => {
      this.#begin(key as Key)
      this.#operator.onRecord(this, value, time, input)
      if (this.#count > 0) this.#handOn()
      // A key that nothing is kept of would stay in memory for nothing.
      const actor = this.#current
      if (actor.dirtyAt === -1) this.#actors.release(actor)
    }
  }

  /** A record for all keys: the turn is that of the cells they share. */
  #broadcast(shared: ActorCache, input: number): Push {
    return (value, time) => {
      this.#actor = this.#shared
      this.#home = shared
      try {
        this.#operator.onRecord(this, value, time, input)
      } finally {
        shared.undo = null
        this.#home = this.#actors
      }
    }
  }

  fireEventTimers(budget: number): boolean {
    const { eventTimers, output } = this.#options
    const input = this.#watermark
    const isAll =
      !eventTimers.isDue(input.value) || eventTimers.fire(input.value, budget, this.#onEventTimer)
    if (isAll) output.follow(input, this.#holdBackMs)
    return isAll
  }

  fireProcessingTimers(budget: number): boolean {
    const { processingTimers } = this.#options
    const now = this.#options.now()
    if (!processingTimers.isDue(now)) return true
    return processingTimers.fire(now, budget, this.#onProcessingTimer)
  }

  get cachedKeys(): number {
    return this.#actors.size
  }

  get isDue(): boolean {
    return this.#options.eventTimers.isDue(this.#watermark.value)
  }

  get nextProcessingTime(): Timestamp {
    return this.#options.processingTimers.nextTime
  }

  readonly #onEventTimer = (time: Timestamp, key: Key): void => this.#onTimer(time, key, 'event')
  readonly #onProcessingTimer = (time: Timestamp, key: Key): void =>
    this.#onTimer(time, key, 'processing')

  #onTimer(time: Timestamp, key: Key, clock: TimerClock): void {
    this.#begin(key)
    this.#operator.onTimer(this, time, clock)
    if (this.#count > 0) {
      this.fired += this.#count
      this.#handOn()
    }
    this.#actors.release(this.#current)
  }

  /** A turn of a key whose event time has come, for a host that fires the timers itself. */
  wake(time: Timestamp, key: Key): void {
    this.#onTimer(time, key, 'event')
  }

  /** Whether a key's actor is in memory. */
  has(key: Key): boolean {
    return this.#actors.has(key)
  }

  /** Whether the store may have actors that are not in memory. */
  get someAreElsewhere(): boolean {
    return this.#actors.someAreElsewhere
  }

  /** The cell of a new actor for what was kept of a key elsewhere. @param isStored whether the key has a row. */
  adopt(key: Key, isStored: boolean): StateCell {
    return this.#actors.adopt(key, isStored).cell
  }

  #begin(key: Key): void {
    this.#actor = this.#actors.activate(key)
    // A savepoint holds for its turn: without an end the changes of all later turns would pile up.
    this.#actors.undo = null
  }

  #handOn(): void {
    const { main, sides, late } = this.#options.outputs
    const { key } = this.#current
    for (let i = 0; i < this.#count; i++) {
      const name = this.#sides[i] as string
      const [value, time] = [this.#values[i], this.#times[i] as Timestamp]
      if (name === MAIN) main(value, time, key)
      else if (sides[name] !== undefined) sides[name](value, time, key)
      else if (name === LATE) late(value, time, key)
    }
    this.#count = 0
  }

  emit(value: unknown, time: Timestamp): void {
    this.emitTo(MAIN, value, time)
  }

  emitTo(side: string, value: unknown, time: Timestamp): void {
    const at = this.#count++
    this.#sides[at] = side
    this.#values[at] = value
    this.#times[at] = time
  }

  late(value: unknown, time: Timestamp): void {
    this.lateCount += 1
    this.emitTo(LATE, value, time)
  }

  wakeAt(time: Timestamp, clock: TimerClock): void {
    const { eventTimers, processingTimers } = this.#options
    ;(clock === 'event' ? eventTimers : processingTimers).add(time, this.key)
  }

  savepoint(): void {
    this.#home.undo = []
    this.#saved = this.#count
  }

  rollback(): void {
    const { undo } = this.#home
    invariant(undo !== null, `a turn of '${this.name}' rolls back without a savepoint`)
    this.#home.undo = null
    for (const takeBack of undo.toReversed()) takeBack()
    this.#home.undo = []
    this.#count = this.#saved
  }

  recover<Out>(
    error: unknown,
    value: unknown,
    again: () => Out,
  ): { readonly value: Out } | undefined {
    const key = this.#actor === this.#shared ? undefined : this.key
    return this.#options.failures.recover(this.name, { error, key, value }, again)
  }

  *write(writer: StoreWriter, epoch: number): Steps {
    yield* this.#actors.write(writer, epoch)
    if (this.#options.shared !== undefined) yield* this.#options.shared.write(writer, epoch)
    yield* this.#options.eventTimers.write(writer, epoch)
    yield* this.#options.processingTimers.write(writer, epoch)
  }
}

/** The side output of records that came too late. */
export const LATE = 'late'
