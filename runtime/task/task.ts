/**
 * A task: one partition of one stage. It takes records from its inputs, runs them through its
 * operators, commits what they changed together with where the inputs stand and what is to leave,
 * waits until that is durable, and only then hands it over.
 *
 * The way of a record, top to bottom: take → operators → commit → durable → hand over → trim.
 * The rules (I1 to I8) are in docs/GUARANTEES.md; where the code keeps one, it names it.
 */
import type { Clock } from '../time/clock.ts'
import type { StoreWriter } from '../state/store.ts'
import { type Steps, takeSteps, Turns } from '../time/turns.ts'
import { type Cut, CutRequests } from './cut.ts'
import type { Handover } from './delivery.ts'
import { droppedRows } from './dropped-state.ts'
import { epochRow, epochRows, evictions } from './epoch-rows.ts'
import { Inputs } from './inputs.ts'
import { type Counters, writeJobRow } from './meta.ts'
import type { Host } from './host.ts'
import type { Outbox } from './outbox.ts'
import type { TaskInput } from './task-input.ts'
import { HANDOVER_MS_MAX, TIMERS_PER_TURN, TURN_MS_MAX } from './task-limits.ts'
import { countersOf, type TaskParts } from './task-parts.ts'

/** 'live': a batch is over, and the task is to be opened again to go on live. */
export type TaskEnd = 'finished' | 'stopped' | 'live'

export class Task {
  readonly #parts: TaskParts
  readonly #clock: Clock
  readonly #inputs: Inputs
  #epoch: number
  #openings: number
  /** The newest epoch that is committed, and the newest that is durable. */
  #durableEpoch: number
  #openedAt = 0
  #recordsAtCommit = 0
  /** The commit that is not durable yet; the next one may not pass it (I1). */
  #inFlight: Promise<void> | undefined
  #failure: Error | undefined
  #stopping = false
  #finished: boolean
  /** The batch is over; see EpochRow.live. */
  #live: boolean
  #isSwitching = false
  #wake: (() => void) | undefined
  /** Something has happened since the loop looked at everything last. */
  #hasNews = false
  #takenInEpoch = false
  /** Makes room in memory behind a commit; undefined when that is done. */
  #toEvict: Steps | undefined
  readonly #turns: Turns
  readonly #cuts = new CutRequests()
  /** Rows of what was dropped that the opening has removed. */
  droppedRows = 0

  constructor(parts: TaskParts) {
    this.#parts = parts
    this.#clock = parts.clock
    this.#inputs = new Inputs(parts.ingests, parts.clock)
    this.#turns = new Turns(parts.clock, TURN_MS_MAX)
    this.#epoch = parts.last?.epoch ?? 0
    this.#durableEpoch = this.#epoch
    this.#openings = parts.last?.openings ?? 0
    this.#finished = parts.last?.finished ?? false
    this.#live = parts.last?.live ?? false
  }

  get epoch(): number {
    return this.#durableEpoch
  }

  /** What goes to sinks. */
  get outboxes(): readonly Outbox[] {
    const sinks = this.#parts.deliveries.filter(({ to }) => to === 'sink')
    return sinks.map(({ outbox }) => outbox)
  }

  /** How far event time has come over all inputs. */
  get watermark(): number {
    return this.#inputs.watermark
  }

  /** What comes from outside. */
  get sources(): readonly TaskInput[] {
    return this.#parts.ingests.filter(({ from }) => from === 'sources')
  }

  get hosts(): readonly Host[] {
    return this.#parts.hosts
  }

  /** Whether an earlier run had reached the end of the inputs. */
  get wasFinished(): boolean {
    return this.#parts.last?.finished ?? false
  }

  /**
   * Restart and fresh start are one path. What a killed process had committed may not be durable: the
   * opening is committed and flushed before anything is handed over (I3, also after a restart).
   */
  async open(): Promise<void> {
    const { ingests, deliveries, last, times } = this.#parts
    if (!this.#finished)
      for (const ingest of ingests) ingest.restoreTime(last?.inputs[ingest.input.id])
    times.restore(last?.times ?? {})
    this.#openings += 1
    await this.#commitNow()
    await this.#removeDropped()
    for (const ingest of ingests) {
      const row = last?.inputs[ingest.input.id]
      if (!this.#finished) await ingest.open(row)
      else if (row !== undefined) ingest.input.checkFinished?.(row.position)
    }
    // What a sink says at its opening (a stream's base) is committed before the first row leaves.
    for (const delivery of deliveries) await delivery.openSink()
    this.#inputs.start()
    await this.#commitNow()
    for (const delivery of deliveries) {
      delivery.start()
      delivery.announce(this.#durableEpoch)
    }
    this.#openedAt = this.#clock.monotonic()
  }

  async #removeDropped(): Promise<void> {
    const { store, job } = this.#parts
    const { dropped, ...rest } = job
    if (dropped === undefined) return
    for (const rows of droppedRows(store, dropped)) {
      this.droppedRows += rows.length
      await this.#commitNow((writer) => {
        for (const { table, key } of rows) writer.remove(table, key)
      })
    }
    await this.#commitNow((writer) => writeJobRow(writer, rest, this.#epoch))
  }

  /** Finishes the epoch, hands it over, and ends. */
  stop(): void {
    this.#stopping = true
    this.notify()
  }

  /** Reads no source any more; what other tasks have sent is still taken. */
  readonly pauseSources = (): void => this.#inputs.pauseSources()

  /** Whether all that was taken is durable and delivered. */
  get isQuiet(): boolean {
    return !this.#hasOpenWork && this.#parts.outboxes.every((outbox) => outbox.isEmpty)
  }

  /** Ends the epoch and gives a frozen view of its end, while the task goes on. */
  async cut(): Promise<Cut> {
    const cut = this.#cuts.ask()
    this.notify()
    return await cut
  }

  /** Something happened that the loop may be waiting for. */
  notify(): void {
    this.#hasNews = true
    this.#wake?.()
  }

  /** Runs until the inputs are over or stop() is called. @throws what ends the task. */
  async run(): Promise<TaskEnd> {
    this.#turns.restart()
    while (!this.#stopping && !this.#finished && !this.#isSwitching) {
      this.#hasNews = false
      this.#throwFailure()
      if (this.#toEvict !== undefined) await takeSteps(this.#toEvict, this.#turns)
      this.#toEvict = undefined
      const worked = this.#takeAndFire()
      // Every timer that the end of the inputs made due has fired, too.
      if (this.#inputs.areFinished && !worked && !this.#isDue()) this.#finished = true
      else if (this.#inputs.areAtSwitch) this.#switchToLive()
      if (this.#commitIsDue(!worked)) await this.#startCommit()
      else if (this.#cuts.isWanted && !this.#hasOpenWork) this.#answerCuts()
      if (this.#mustWaitForCommit) await this.#inFlight
      // A commit is put together in turns: what happened meanwhile nobody will say again.
      const isOver = this.#finished || this.#isSwitching
      if (!worked && !isOver && !this.#hasNews) await this.#waitForNews()
      else if (this.#turns.isOver) await this.#turns.next()
    }
    await this.#handOver()
    if (this.#isSwitching && !this.#stopping) return 'live'
    return this.#finished ? 'finished' : 'stopped'
  }

  /** Closes what the task holds. Safe at any time; commits nothing. */
  async close(): Promise<void> {
    this.#cuts.end()
    for (const delivery of this.#parts.deliveries) await delivery.stop()
    for (const { sink } of this.#parts.outboxes) await sink.close()
    for (const { input } of this.#parts.ingests) await input.close()
    await this.#inFlight?.catch(() => undefined)
    await this.#parts.store.close()
  }

  // ── take and fire ──────────────────────────────────────────────────────────────────────────────

  /** One batch of each input that has one, and the timers that are due. False when there was nothing. */
  #takeAndFire(): boolean {
    // A batch that was begun is finished: only then its epoch can end, and the outbox empty.
    if (this.#outboxIsFull && !this.#inputs.isMidBatch) return false
    const worked = this.#fireTimers()
    // Timers come before the records behind them: the rest of what is due goes first.
    if (this.#isDue()) return true
    const taken = this.#inputs.take(() => this.#parts.onMoment('applied'), this.#isDue)
    const ended = this.#inputs.finishEnded()
    if (taken === 'taken' || ended || this.#hasNewsOfTime) this.#takenInEpoch = true
    return worked || ended || taken !== 'nothing'
  }

  /** Whether timers wait for an event time that has come. */
  readonly #isDue = (): boolean => this.#parts.hosts.some((host) => host.isDue)

  /** Fires what is due, in the order of the chain. True when something fired. */
  #fireTimers(): boolean {
    let fired = false
    for (const host of this.#parts.hosts) {
      if (host.nextProcessingTime <= this.#clock.now()) {
        host.fireProcessingTimers(TIMERS_PER_TURN)
        fired = true
      }
      if (host.isDue) fired = true
      const isAll = host.fireEventTimers(TIMERS_PER_TURN)
      if (fired) this.#takenInEpoch = true
      // What this one has still to hand on comes before the time it belongs to is over behind it.
      if (!isAll) return true
    }
    return fired
  }

  /** Called by the inputs when their watermark moved; false when more is due than one turn may fire. */
  readonly onWatermark = (): boolean => {
    for (const host of this.#parts.hosts) {
      if (!host.fireEventTimers(TIMERS_PER_TURN)) return false
    }
    this.#parts.horizon.open()
    return true
  }

  /** Whether other tasks have to be told how far time has come, records or none. */
  get #hasNewsOfTime(): boolean {
    return this.#parts.exchanges.some((exchange) => exchange.hasNews(this.#finished))
  }

  /**
   * The batch is over, and one commit says so together with how far time has come: whoever opens the
   * state from then on goes on live. So the switch is a restart, and a crash at the switch is one too.
   */
  #switchToLive(): void {
    this.#inputs.goLive()
    this.#live = true
    this.#isSwitching = true
    this.#takenInEpoch = true
  }

  get #outboxIsFull(): boolean {
    return this.#outboxBytes > this.#parts.outboxBytesMax
  }

  get #outboxBytes(): number {
    let bytes = 0
    for (const outbox of this.#parts.outboxes) bytes += outbox.bytes
    return bytes
  }

  // ── commit ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * When inputs are drained, when the epoch has been open for its longest, or when it has reached its
   * bounds. So a quiet job answers in the time of one flush, and a busy one pays for few flushes.
   */
  #commitIsDue(drained: boolean): boolean {
    const { hosts, outboxes, commit } = this.#parts
    if (this.#inFlight !== undefined || this.#inputs.isMidBatch) return false
    if (!this.#takenInEpoch) {
      // Rows that are taken are trimmed with the next epoch that has work of its own, or at the end.
      return this.#finished && outboxes.some((outbox) => outbox.hasToTrim)
    }
    if (this.#finished || this.#stopping || this.#cuts.isWanted) return true
    if (drained && !this.#inputs.hasBacklog) return true
    if (this.#clock.monotonic() - this.#openedAt >= commit.everyMs) return true
    if (this.#inputs.records - this.#recordsAtCommit >= commit.recordsMax) return true
    if (this.#outboxIsFull || this.#outboxBytes >= commit.bytesMax) return true
    return hosts.some((host) => host.isCrowded)
  }

  /** Beyond its bounds the open epoch waits for the one in flight instead of growing. */
  get #mustWaitForCommit(): boolean {
    if (this.#inFlight === undefined) return false
    const { hosts, commit } = this.#parts
    return (
      this.#inputs.records - this.#recordsAtCommit >= commit.recordsMax ||
      hosts.some((host) => host.isCrowded)
    )
  }

  /**
   * Begins the commit of the open epoch. Resolves when all of it was put: then the next epoch may begin,
   * and until then nothing of it may change what is written.
   * @param also puts more into it.
   */
  async #startCommit(also?: (writer: StoreWriter) => void): Promise<void> {
    await new Promise<void>((wasPut) => {
      this.#inFlight = this.#commit(wasPut, also)
        .catch((error: unknown) => {
          this.#failure ??= error instanceof Error ? error : new Error(String(error))
        })
        .finally(() => {
          this.#inFlight = undefined
          wasPut()
          this.notify()
        })
    })
  }

  async #commitNow(also?: (writer: StoreWriter) => void): Promise<void> {
    await this.#inFlight
    // What a commit that failed was to keep is nowhere: nothing may be committed behind it (I1, I2).
    if (this.#failure !== undefined) throw this.#failure
    await this.#startCommit(also)
    await this.#inFlight
    this.#throwFailure()
  }

  /** One transaction: state, timers, positions, watermarks and outbox of one epoch (I1, I2). */
  async #commit(wasPut: () => void, also?: (writer: StoreWriter) => void): Promise<void> {
    const parts = this.#parts
    const { store, outboxes, deliveries, exchanges, ingests, onMoment } = parts
    const epoch = ++this.#epoch
    const trims = outboxes.some((outbox) => outbox.hasToTrim)
    const startedAt = this.#clock.monotonic()
    const epochMs = startedAt - this.#openedAt
    this.#openedAt = startedAt
    this.#recordsAtCommit = this.#inputs.records
    this.#takenInEpoch = false
    // Who had finished before has told everything.
    if (!this.wasFinished) for (const exchange of exchanges) exchange.endEpoch(this.#finished)
    const [openings, finished, live] = [this.#openings, this.#finished, this.#live]
    const row = epochRow(parts, { epoch, openings, finished, ...(live && { live }) })
    await store.commit(function* (writer) {
      yield* epochRows(parts, row, writer)
      also?.(writer)
      wasPut()
    }, this.#turns)
    onMoment('written')
    // Committed is not durable: nothing of this epoch leaves before the flush (I3).
    await store.flushed()
    this.#durableEpoch = epoch
    this.#answerCuts()
    onMoment('flushed')
    if (trims) onMoment('trimmed')
    parts.onCommit({ epochMs, commitMs: this.#clock.monotonic() - startedAt })
    for (const delivery of deliveries) delivery.announce(epoch)
    // What lies before a durable position is never asked for again.
    for (const ingest of ingests) {
      const taken = row.inputs[ingest.input.id]
      if (taken !== undefined) ingest.onDurable(taken.position)
    }
    this.#toEvict = evictions(parts.hosts, epoch)
  }

  /** Whether there is work that is not durable yet. */
  get #hasOpenWork(): boolean {
    return this.#takenInEpoch || this.#inputs.isMidBatch || this.#inFlight !== undefined
  }

  #answerCuts(): void {
    if (this.#cuts.isWanted) this.#cuts.answer(this.#durableEpoch, this.#parts.store)
  }

  /** What was counted since the state was created. */
  countersNow(): Counters {
    return countersOf(this.#parts)
  }

  // ── wait and end ───────────────────────────────────────────────────────────────────────────────

  #throwFailure(): void {
    const failure =
      this.#failure ??
      this.#parts.deliveries.find((delivery) => delivery.failure !== undefined)?.failure
    if (failure !== undefined) throw failure
  }

  /** Waits for an input, a commit, a sink, a timer of the clock, or the end of the epoch. */
  async #waitForNews(): Promise<void> {
    const listens = !this.#outboxIsFull
    if (listens) this.#inputs.wait()
    await this.#news(this.#nextWakeMs(this.#parts.hosts))
    if (listens) this.#inputs.waited()
    this.#turns.restart()
  }

  /** Resolves at the next notify(), or after a time. */
  async #news(delayMs: number | undefined): Promise<void> {
    let cancel = (): void => undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (delayMs !== undefined) cancel = this.#clock.after(delayMs, resolve)
    })
    this.#wake = undefined
    cancel()
  }

  #nextWakeMs(hosts: readonly Host[]): number | undefined {
    const now = this.#clock.now()
    let next = Math.min(
      this.#inputs.nextLookMs,
      ...hosts.map((host) => host.nextProcessingTime - now),
    )
    if (this.#takenInEpoch) {
      next = Math.min(next, this.#parts.commit.everyMs - (this.#clock.monotonic() - this.#openedAt))
    }
    return Number.isFinite(next) ? Math.max(1, next) : undefined
  }

  /** Commits what is open and waits until the sinks have taken it, as long as is reasonable. */
  async #handOver(): Promise<void> {
    const { deliveries } = this.#parts
    while (this.#inputs.isMidBatch) {
      this.#fireTimers()
      this.#inputs.takeRest(this.#isDue)
      await this.#clock.breathe()
    }
    await this.#commitNow()
    const giveUpAt = this.#clock.monotonic() + HANDOVER_MS_MAX
    while (deliveries.some((delivery) => this.#isWaitedFor(delivery))) {
      this.#throwFailure()
      this.#answerCuts()
      const leftMs = this.#finished ? HANDOVER_MS_MAX : giveUpAt - this.#clock.monotonic()
      // A finished task waits for its sinks; a stopped one leaves its outbox for the next start.
      if (leftMs <= 0) break
      await this.#news(leftMs)
    }
    await this.#commitNow()
  }

  /** A stopped job's tasks stop together: who reads this one is not waited for, and finds the rest later. */
  #isWaitedFor({ outbox, to }: Handover): boolean {
    return !outbox.isEmpty && (to === 'sink' || (this.#finished && !this.#stopping))
  }
}
