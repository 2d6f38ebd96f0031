/**
 * The inputs of a task together: which of them is read next, which has been silent for too long, and
 * which is ahead and waits.
 *
 * N1 Silence is what an input was listened to for: a task that is busy with something else, or whose
 *    sinks are full, finds nobody idle for it.
 * N2 An input that is not read (it is ahead, or others come first) is not silent.
 */
import type { Clock } from '../time/clock.ts'
import { Drift } from './drift.ts'
import type { WaitsFor } from './input-status.ts'
import type { TaskInput } from './task-input.ts'

/** A longer stretch without a look at the inputs is the task's silence, and not theirs (N1). */
const UNHEARD_MS_MAX = 1_000
/** How often the clock moves the time of an input that goes on with it. */
const PERIOD_MS = 200

export class Inputs {
  readonly #ingests: readonly TaskInput[]
  /** Those whose end is the beginning of a live run. */
  readonly #goOn: readonly TaskInput[]
  readonly #clock: Clock
  readonly #drift: Drift<TaskInput>
  /** Until when, by the clock's monotonic time, the inputs were listened to. */
  #heardAt = 0
  /** When the clock moved time last. */
  #periodAt = 0
  /** Inputs that the last round did not read, since they are ahead. */
  readonly #paused = new Set<TaskInput>()
  #readsSources = true

  constructor(ingests: readonly TaskInput[], clock: Clock) {
    this.#ingests = ingests
    this.#goOn = ingests.filter(({ input }) => input.goesOn)
    this.#clock = clock
    this.#drift = new Drift(ingests)
  }

  /** Begins to listen: an input that is slow to begin is not idle yet. */
  start(): void {
    const now = this.#clock.monotonic()
    this.#heardAt = now
    this.#periodAt = now
    for (const ingest of this.#ingests) {
      ingest.silentSince = now
      ingest.status.listenedFrom = this.#clock.now()
    }
  }

  /** From here on only what other tasks send is read. */
  pauseSources(): void {
    this.#readsSources = false
  }

  /**
   * Takes one batch of each input that has one and may be read.
   * @param onApplied called when a whole batch was applied.
   * @param isDue whether timers are due: they come before any further record, of whatever input.
   * @returns 'stepped' when none gave a batch, and one has been silent for too long or has ended: who
   *   waited for it may go on.
   */
  take(onApplied: () => void, isDue: () => boolean): 'taken' | 'stepped' | 'nothing' {
    this.#listen()
    const now = this.#clock.monotonic()
    // One that an earlier run has read to its end does not say so again before it is asked.
    const somebodyIsFirst = this.#ingests.some(
      ({ comesFirst, ended, isFinished }) => comesFirst && !ended && !isFinished,
    )
    // Who waits until others were read is not waited for.
    const isRead = ({ ended, comesFirst }: TaskInput): boolean =>
      !ended && (comesFirst || !somebodyIsFirst)
    this.#drift.measure((ingest) => isRead(ingest) && !isSilent(ingest, now))
    let taken = false
    let hasEnded = false
    for (const ingest of this.#ingests) {
      if (ingest.ended || this.#isPaused(ingest, somebodyIsFirst)) continue
      const result = ingest.take()
      hasEnded ||= ingest.ended
      if (result === 'nothing') continue
      taken = true
      ingest.silentSince = this.#clock.monotonic()
      ingest.status.heardAt = this.#clock.now()
      if (result === 'taken') onApplied()
      if (isDue()) break
    }
    const stepped = this.#noteSilence()
    if (taken) return 'taken'
    return stepped || hasEnded ? 'stepped' : 'nothing'
  }

  /**
   * It is ahead of others, or others come first. A batch that was begun is finished: an epoch cannot end
   * in its middle.
   */
  #isPaused(ingest: TaskInput, somebodyIsFirst: boolean): boolean {
    const isStopped = !this.#readsSources && ingest.from === 'sources'
    const mustWait =
      isStopped || this.#drift.isAhead(ingest) || (somebodyIsFirst && !ingest.comesFirst)
    if (ingest.isMidBatch || !mustWait) {
      this.#paused.delete(ingest)
      ingest.status.waitsFor = undefined
      return false
    }
    ingest.status.waitsFor = isStopped ? undefined : this.#whoIsAwaited(ingest)
    this.#paused.add(ingest)
    return true
  }

  /** Behind whom an input waits, for people. */
  #whoIsAwaited(ingest: TaskInput): WaitsFor | undefined {
    const isAhead = this.#drift.isAhead(ingest)
    const awaited = isAhead
      ? this.#drift.slowestOf(ingest)
      : this.#ingests.find(({ comesFirst, ended }) => comesFirst && !ended)
    if (awaited === undefined) return undefined
    return { input: awaited.input.id, why: isAhead ? 'alignment' : 'comes first' }
  }

  /** Moves the time of inputs that have ended for good to its end. True when one had not been there. */
  finishEnded(): boolean {
    let finished = false
    for (const ingest of this.#ingests) {
      if (!ingest.ended || ingest.isFinished || ingest.input.goesOn === true) continue
      ingest.watermark.finish()
      finished = true
    }
    return finished
  }

  /** All inputs have ended, and time knows. */
  get areFinished(): boolean {
    return this.#ingests.every((ingest) => ingest.isFinished)
  }

  /** All inputs from outside have ended, and some of them only as a batch: they go on live. */
  get areAtSwitch(): boolean {
    return (
      this.#goOn.length > 0 &&
      this.#ingests.every(({ from, ended, isFinished }) => from === 'tasks' || ended || isFinished)
    )
  }

  /** No end of time: it comes to where it would be if the inputs had been live all along. */
  goLive(): void {
    for (const { watermark } of this.#goOn) watermark.goLive()
  }

  get isMidBatch(): boolean {
    return this.#ingests.some((ingest) => ingest.isMidBatch)
  }

  /** Goes on with the batches that were begun, until timers are due. */
  takeRest(isDue: () => boolean): void {
    for (const ingest of this.#ingests) {
      if (isDue()) return
      if (ingest.isMidBatch) ingest.take()
    }
  }

  /** More is known to be there and will be read in a moment. */
  get hasBacklog(): boolean {
    return this.#ingests.some(
      (ingest) => !ingest.ended && !this.#paused.has(ingest) && ingest.input.hasBacklog === true,
    )
  }

  /** Records taken in by this run. */
  get records(): number {
    let records = 0
    for (const ingest of this.#ingests) records += ingest.records
    return records
  }

  /** How far event time has come over all of them. */
  get watermark(): number {
    return Math.min(...this.#ingests.map((ingest) => ingest.watermark.holder.value))
  }

  /** Asks those that may be read to say when they have something. */
  wait(): void {
    for (const ingest of this.#ingests) if (!this.#paused.has(ingest)) ingest.wait()
  }

  /** Called when the task has waited, with its ear to the inputs. */
  waited(): void {
    this.#heardAt = this.#clock.monotonic()
    this.#noteSilence()
  }

  #listen(): void {
    const now = this.#clock.monotonic()
    const unheardMs = now - this.#heardAt
    this.#heardAt = now
    if (unheardMs <= UNHEARD_MS_MAX) return
    for (const ingest of this.#ingests) ingest.silentSince += unheardMs
  }

  /**
   * An input that has been silent for long enough holds nobody back until it speaks again.
   * @returns whether time went on somewhere.
   */
  #noteSilence(): boolean {
    const now = this.#clock.monotonic()
    const isPeriod = now - this.#periodAt >= PERIOD_MS
    if (isPeriod) this.#periodAt = now
    let stepped = false
    for (const ingest of this.#ingests) {
      if (ingest.ended) continue
      if (this.#paused.has(ingest)) {
        ingest.silentSince = now
        continue
      }
      const { holder } = ingest.watermark
      const before = holder.value
      if (isPeriod && ingest.watermark.hasPeriod) ingest.onPeriod(this.#clock.now())
      if (isSilent(ingest, now)) {
        if (ingest.whenIdle === 'exclude') {
          stepped ||= !holder.idle
          holder.setIdle(true)
        } else if (isPeriod) ingest.watermark.followClock(this.#clock.now())
      }
      stepped ||= holder.value !== before
    }
    return stepped
  }

  /** After how long the inputs have to be looked at again though none has said anything; +∞: never. */
  get nextLookMs(): number {
    const now = this.#clock.monotonic()
    const nextPeriodMs = this.#periodAt + PERIOD_MS - now
    let next = Number.POSITIVE_INFINITY
    for (const ingest of this.#ingests) {
      const { watermark, silentSince, idleAfterMs, whenIdle } = ingest
      if (ingest.ended || this.#paused.has(ingest)) continue
      const leftMs = idleAfterMs - (now - silentSince)
      if (watermark.hasPeriod) next = Math.min(next, nextPeriodMs)
      if (leftMs > 0) next = Math.min(next, leftMs)
      else if (whenIdle === 'advance') next = Math.min(next, nextPeriodMs)
    }
    return next
  }
}

const isSilent = ({ silentSince, idleAfterMs }: TaskInput, now: number): boolean =>
  now - silentSince >= idleAfterMs
