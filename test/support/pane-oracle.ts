/**
 * What windows have to give, computed slowly and obviously: every record of a window is kept, every
 * result is made of all of them, windows and timers are lists that are searched.
 */
import type { Call, WindowCase } from '../cases/case-file.ts'
import {
  type OracleClock,
  type OracleMoment,
  type OracleTrigger,
  oracleTrigger,
  type OracleVerdict,
} from './trigger-oracle.ts'

export interface PaneRecord {
  readonly key: string
  readonly timestamp: number
  readonly n: number
}

/** What happened, in the order in which the job sees it. */
export type PaneEntry = PaneRecord | { readonly watermark: number } | { readonly clock: number }

export interface PaneResult {
  readonly key: string
  /** Null where a window has no such end. */
  readonly start: number | null
  readonly end: number | null
  readonly timing: 'early' | 'onTime' | 'late'
  readonly index: number
  readonly isLast: boolean
  readonly revision: number
  readonly retract: boolean
  /** The numbers of the records it is of, in order. */
  readonly values: readonly number[]
}

export interface PaneOutcome {
  /** In the order of each window; the order of windows among each other is open. */
  readonly results: readonly PaneResult[]
  /** The numbers of the records that were late, in order. */
  readonly late: readonly number[]
  /** Keys for which a window is open at the end. */
  readonly open: ReadonlySet<string>
}

/** The part of a case that the oracle goes by. */
export type PanePlan = Pick<
  WindowCase,
  'window' | 'lateness' | 'trigger' | 'evictor' | 'mode' | 'outOfOrder'
>

interface Open {
  readonly key: string
  start: number
  end: number
  records: PaneRecord[]
  trigger: OracleTrigger
  panes: number
  hasEnded: boolean
  /** The results that the next one takes back. */
  emitted: PaneResult[]
}

interface Timer {
  readonly window: Open
  readonly time: number
  readonly clock: OracleClock
}

interface Span {
  readonly start: number
  readonly end: number
}

export function paneOracle(entries: readonly PaneEntry[], plan: PanePlan): PaneOutcome {
  const oracle = new PaneOracle(plan)
  for (const entry of entries) {
    if ('watermark' in entry) oracle.advanceWatermark(entry.watermark)
    else if ('clock' in entry) oracle.advanceClock(entry.clock)
    else oracle.take(entry)
  }
  return oracle.outcome
}

class PaneOracle {
  readonly #plan: PanePlan
  readonly #kind: string
  readonly #clock: OracleClock
  readonly #lateness: number
  #windows: Open[] = []
  #timers: Timer[] = []
  readonly #results: PaneResult[] = []
  readonly #late: number[] = []
  #watermark = Number.NEGATIVE_INFINITY
  #now = 0
  #largest = Number.NEGATIVE_INFINITY

  constructor(plan: PanePlan) {
    const [kind, , options] = plan.window
    this.#plan = plan
    this.#kind = kind
    this.#clock = (options as { clock?: OracleClock } | undefined)?.clock ?? 'event'
    this.#lateness = this.#clock === 'event' ? (plan.lateness ?? 0) : 0
  }

  get outcome(): PaneOutcome {
    const open = new Set(this.#windows.map(({ key }) => key))
    return { results: this.#results, late: this.#late, open }
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────

  advanceWatermark(to: number): void {
    if (to <= this.#watermark) return
    this.#watermark = to
    this.#fireTimers('event', to)
  }

  /** From one due time to the next, so that each is handled at its own. */
  advanceClock(to: number): void {
    for (;;) {
      const times = this.#timers
        .filter(({ clock }) => clock === 'processing')
        .map(({ time }) => time)
      const next = Math.max(Math.min(...times), this.#now)
      if (next > to) break
      this.#now = next
      this.#fireTimers('processing', next)
    }
    this.#now = to
  }

  #fireTimers(clock: OracleClock, upTo: number): void {
    for (;;) {
      let first: Timer | undefined
      for (const timer of this.#timers) {
        if (timer.clock !== clock || timer.time > upTo) continue
        if (first === undefined || timer.time < first.time) first = timer
      }
      if (first === undefined) return
      const { window, time } = first
      this.#timers = this.#timers.filter((timer) => timer !== first)
      if (this.#windows.includes(window)) this.#atTime(window, time, clock)
    }
  }

  #atTime(window: Open, time: number, clock: OracleClock): void {
    const said = window.trigger.onTime(this.#momentOf(window), time, clock)
    const isOwn = clock === this.#clock
    const last = window.end - 1
    const isOnTime = isOwn && time === last
    const reached = isOwn ? time : this.#clock === 'event' ? this.#watermark : this.#now
    const isDropped = isOwn && time === this.#dropTime(window)
    const nothingFollows = isOnTime && this.#watermark >= this.#dropTime(window)
    this.#act(window, said, {
      timing: isOnTime ? 'onTime' : reached < last ? 'early' : 'late',
      isLast: isDropped || (nothingFollows && !runsUserCode(this.#plan.trigger)) || said.ends,
    })
    if (isDropped) this.#windows = this.#windows.filter((other) => other !== window)
  }

  // ── records ────────────────────────────────────────────────────────────────────────────────────

  take(record: PaneRecord): void {
    this.#largest = Math.max(this.#largest, record.timestamp)
    if (this.#kind === 'session') this.#takeIntoSession(record)
    else this.#takeIntoAll(record)
    const { outOfOrder } = this.#plan
    if (outOfOrder !== undefined) this.advanceWatermark(this.#largest - outOfOrder - 1)
  }

  #takeIntoAll(record: PaneRecord): void {
    const spans = this.#spansOf(record)
    const taken = spans
      .filter((span) => !this.#isOver(span))
      .map((span) => this.#findOrOpen(record.key, span))
      .filter((window) => !window.hasEnded)
    if (taken.length === 0) {
      const isRefused = spans.length > 0 && !spans.every((span) => this.#isOver(span))
      const isLate = this.#clock === 'event' && record.timestamp + this.#lateness <= this.#watermark
      if (isRefused || isLate) this.#late.push(record.n)
      return
    }
    // All windows have the record before one of them fires.
    for (const window of taken) window.records.push(record)
    const said = taken.map((window) => window.trigger.onRecord(this.#momentOf(window, record)))
    for (const [i, window] of taken.entries()) this.#atRecord(window, said[i] as OracleVerdict)
  }

  #takeIntoSession(record: PaneRecord): void {
    const gap = this.#plan.window[1]
    const time = this.#timeOf(record)
    const own = { start: time, end: time + (gap === '$n' ? record.n : (gap as number)) }
    const met = this.#windows
      .filter(({ key, start, end }) => key === record.key && start <= own.end && end >= own.start)
      .toSorted((a, b) => a.start - b.start)
    const span = {
      start: Math.min(own.start, ...met.map(({ start }) => start)),
      end: Math.max(own.end, ...met.map(({ end }) => end)),
    }
    if (this.#isOver(span)) {
      this.#late.push(record.n)
      return
    }
    const [only, second] = met
    const isSame = second === undefined && only?.start === span.start && only.end === span.end
    const window = isSame ? only : this.#merged(record.key, span, met)
    window.records.push(record)
    this.#atRecord(window, window.trigger.onRecord(this.#momentOf(window, record)))
  }

  /** A new window in place of those it is made of. */
  #merged(key: string, span: Span, met: readonly Open[]): Open {
    this.#windows = this.#windows.filter((window) => !met.includes(window))
    const window = this.#findOrOpen(key, span)
    window.records = met.flatMap(({ records }) => records)
    window.panes = Math.max(0, ...met.map(({ panes }) => panes))
    window.emitted = met.flatMap(({ emitted }) => emitted)
    if (met.length > 0) {
      window.trigger.become(
        met.map(({ trigger }) => trigger),
        this.#momentOf(window),
      )
    }
    return window
  }

  #atRecord(window: Open, said: OracleVerdict): void {
    const isLate = this.#clock === 'event' && window.end - 1 <= this.#watermark
    this.#act(window, said, { timing: isLate ? 'late' : 'early', isLast: said.ends })
  }

  // ── windows ────────────────────────────────────────────────────────────────────────────────────

  #timeOf(record: PaneRecord): number {
    return this.#clock === 'event' ? record.timestamp : this.#now
  }

  /** All windows that could hold the time, looked at one by one. */
  #spansOf(record: PaneRecord): Span[] {
    const [kind, size, options = {}] = this.#plan.window as [string, number, object?]
    if (kind === 'globalWindow' || kind === 'countWindow') {
      return [{ start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }]
    }
    const { every = size, offset = 0 } = options as { every?: number; offset?: number }
    const time = this.#timeOf(record)
    const spans: Span[] = []
    for (let start = offset - 1_000 * every; start <= time; start += every) {
      if (time < start + size) spans.push({ start, end: start + size })
    }
    return spans
  }

  #findOrOpen(key: string, { start, end }: Span): Open {
    const known = this.#windows.find(
      (window) => window.key === key && window.start === start && window.end === end,
    )
    if (known !== undefined) return known
    const trigger = oracleTrigger(this.#triggerCall())
    const window: Open = {
      key,
      start,
      end,
      records: [],
      trigger,
      panes: 0,
      hasEnded: false,
      emitted: [],
    }
    this.#windows.push(window)
    this.#wake(window, this.#dropTime(window), this.#clock)
    return window
  }

  #triggerCall(): Call {
    const { trigger, window } = this.#plan
    if (window[0] === 'countWindow') {
      const [, count, options] = window as [string, number, { every?: number }?]
      return options?.every === undefined
        ? ['purging', ['onCount', count]]
        : ['onCount', options.every]
    }
    if (trigger !== undefined) return trigger
    if (window[0] === 'globalWindow') return ['never']
    return this.#clock === 'event' ? ['onEventTime'] : ['onProcessingTime']
  }

  #dropTime({ end }: Span): number {
    return end - 1 + this.#lateness
  }

  #isOver(span: Span): boolean {
    return this.#clock === 'event' && this.#dropTime(span) <= this.#watermark
  }

  #momentOf(window: Open, record?: PaneRecord): OracleMoment {
    return {
      watermark: this.#watermark,
      now: this.#now,
      last: window.end - 1,
      drop: this.#dropTime(window),
      clock: this.#clock,
      time: record?.timestamp ?? 0,
      n: record?.n ?? 0,
      wake: (time, clock) => this.#wake(window, time, clock),
    }
  }

  /** One timer for a time, however often it is asked for. What has no time on the clock never comes. */
  #wake(window: Open, time: number, clock: OracleClock): void {
    if (clock === 'processing' && time === Infinity) return
    const isKnown = this.#timers.some(
      (timer) => timer.window === window && timer.time === time && timer.clock === clock,
    )
    if (!isKnown) this.#timers.push({ window, time, clock })
  }

  // ── results ────────────────────────────────────────────────────────────────────────────────────

  #act(window: Open, said: OracleVerdict, pane: Pick<PaneResult, 'timing' | 'isLast'>): void {
    if (said.fires) this.#fire(window, pane)
    const purges = said.purges || (said.fires && this.#plan.mode === 'discarding') || said.ends
    if (purges) window.records = []
    if (said.ends) window.hasEnded = true
  }

  #fire(window: Open, pane: Pick<PaneResult, 'timing' | 'isLast'>): void {
    const { evictor, mode } = this.#plan
    if (window.records.length === 0) return
    const sliding = this.#kind === 'countWindow' ? (this.#plan.window[1] as number) : undefined
    if (sliding !== undefined) window.records = window.records.slice(-sliding)
    if (evictor?.[1].when === 'before') window.records = evicted(evictor[0], window.records)
    const values = window.records.map(({ n }) => n)
    if (evictor?.[1].when === 'after') window.records = evicted(evictor[0], window.records)
    const isCount = this.#kind === 'countWindow'
    const { key, start, end, panes } = window
    const result: PaneResult = {
      key,
      start: Number.isFinite(start) ? start : null,
      end: Number.isFinite(end) ? end : null,
      ...(isCount ? { timing: 'onTime', isLast: true } : pane),
      index: isCount ? 0 : panes,
      revision: isCount ? 0 : panes,
      retract: false,
      values,
    }
    if (mode === 'retracting') {
      for (const earlier of window.emitted) this.#results.push({ ...earlier, retract: true })
      window.emitted = [result]
    }
    this.#results.push(result)
    window.panes += 1
  }
}

/** A trigger that asks a function of the job may fire whenever it likes. */
const runsUserCode = (trigger: Call | undefined): boolean =>
  JSON.stringify(trigger ?? []).includes('onDelta')

/** What an evictor leaves. */
function evicted([name, ...args]: Call, records: readonly PaneRecord[]): PaneRecord[] {
  const last = records.at(-1)
  switch (name) {
    case 'keepLast':
      return records.slice(-(args[0] as number))
    case 'keepWithin': {
      const newest = Math.max(...records.map(({ timestamp }) => timestamp))
      return records.filter(({ timestamp }) => timestamp > newest - (args[0] as number))
    }
    case 'deltaEvictor':
      return records.filter(({ n }) => (last?.n ?? 0) - n < (args[1] as number))
    default:
      throw new Error(`the oracle knows no evictor '${name}'`)
  }
}
