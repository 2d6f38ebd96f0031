import type { Turn } from '../operator.ts'
import type { Milliseconds, Timestamp } from '../time.ts'
import type { AnyWindowAggregate, WindowOperatorOptions } from './make-window-operator.ts'
import {
  CONTENTS,
  COUNT,
  endOf,
  LENGTH_MS,
  FIRED,
  MORE,
  type More,
  opened,
  type OpenWindow,
  type OpenWindows,
  START,
  WAKE_AT,
} from './open-window.ts'
import { type SessionSpan, sessionSpan } from './session-span.ts'
import type { GapOf, SessionWindows } from './session.ts'
import type { TriggerRunner } from './trigger/trigger-runner.ts'
import { ask, forget, type TriggerTimers } from './trigger/trigger-timers.ts'
import { CONTINUE, type Verdict } from './trigger/trigger.ts'
import { type Added, type RecordTurn, WindowOperator } from './window-operator.ts'

/**
 * Windows that grow and become one. A session is known by the time at which it was opened, which it keeps
 * when an earlier record moves its start.
 */
export class SessionWindowOperator extends WindowOperator {
  readonly #gapOf: GapOf<unknown>
  /** The gap of all records; NaN when each has its own. */
  readonly #gapMs: Milliseconds
  readonly #maxLengthMs: Milliseconds

  constructor(
    spec: SessionWindows<never>,
    aggregate: AnyWindowAggregate,
    options?: WindowOperatorOptions,
  ) {
    super(spec, aggregate, options)
    this.#gapOf = gapFunction(spec.gap as Milliseconds | GapOf<unknown>)
    this.#gapMs = typeof spec.gap === 'number' ? spec.gap : Number.NaN
    this.#maxLengthMs = spec.maxLengthMs
  }

  override onRecord(turn: Turn, value: unknown, time: Timestamp): void {
    const windows = turn.cell as OpenWindows
    if (this.trigger !== undefined || windows.size !== 1) {
      super.onRecord(turn, value, time)
      return
    }
    const [number] = windows.keys()
    const window = windows.get(number as number) as OpenWindow
    const at = this.clock === 'event' ? time : turn.now
    const end = Math.max(endOf(window), at + this.#gapMs)
    const isInside = at >= window[START] && at <= endOf(window) && window[COUNT] > 0
    if (isInside && end - window[START] <= this.#maxLengthMs) {
      this.#grow({ turn, value, time }, number as number, window, end)
    } else super.onRecord(turn, value, time)
  }

  /** What most records do, apart and fast: one goes into the key's only session, which may last longer then. */
  #grow(
    { turn, value, time }: RecordTurn,
    number: number,
    window: OpenWindow,
    end: Timestamp,
  ): void {
    let contents: unknown
    try {
      contents = this.contents.add(window[CONTENTS], value, time)
    } catch (error) {
      const again = (): unknown => this.contents.add(window[CONTENTS], value, time)
      const recovered = turn.recover(error, value, again)
      if (recovered === undefined) return
      contents = recovered.value
    }
    window[CONTENTS] = contents
    window[COUNT] += 1
    window[LENGTH_MS] = end - window[START]
    this.atRecord(turn, window)
    this.store(turn, number, window)
  }

  protected add(record: RecordTurn): readonly Added[] {
    const { turn, value, time } = record
    const windows = turn.cell as OpenWindows
    const gapMs = this.#gapOf(this.unwrap(value))
    const at = this.clock === 'event' ? time : turn.now
    const span = sessionSpan(windows, at, gapMs, this.#maxLengthMs)
    if (this.isOver(turn, span.end)) {
      turn.late(value, time)
      return []
    }
    const contents = this.#contentsWith(record, span)
    const number = span.merged[0] ?? span.start
    const held = windows.get(number)
    const window = held === undefined ? opened(span.start, span.end) : this.editable(held)
    const isSame = window[START] === span.start && endOf(window) === span.end
    if (held !== undefined && !(isSame && span.merged.length === 1)) {
      this.#merge(turn, number, window, span)
    }
    window[CONTENTS] = contents
    window[COUNT] += 1
    if (this.trigger === undefined) return [{ number, window, verdict: CONTINUE }]
    const verdict = this.#ask(record, number, window, held !== undefined && isSame)
    return [{ number, window, verdict }]
  }

  /** What the session's contents are with the record: all that may fail, and nothing that changes. */
  #contentsWith({ turn, value, time }: RecordTurn, { merged }: SessionSpan): unknown {
    const filled = merged
      .map((number) => (turn.cell as OpenWindows).get(number) as OpenWindow)
      .filter((window) => window[COUNT] > 0)
    const [first, ...others] = filled
    if (first === undefined) return this.contents.first(value, time)
    // Merging may change what it is given, and adding may fail after it.
    const copies = this.copies || others.length > 0
    let contents = copies ? this.contents.copy(first[CONTENTS]) : first[CONTENTS]
    for (const other of others) {
      contents = this.contents.merge(contents, this.contents.copy(other[CONTENTS]))
    }
    return this.contents.add(contents, value, time)
  }

  /** Makes one window of several, or a larger one of one; its contents are made elsewhere. */
  #merge(
    turn: Turn,
    number: number,
    window: OpenWindow,
    { start, end, merged }: SessionSpan,
  ): void {
    const windows = turn.cell as OpenWindows
    const parts = merged.map((part) => windows.get(part) as OpenWindow)
    const mores = parts.map((part) => part[MORE])
    window[COUNT] = parts.reduce((count, part) => count + part[COUNT], 0)
    window[FIRED] = Math.max(...parts.map((part) => part[FIRED]))
    window[WAKE_AT] = earliest(parts.map((part) => part[WAKE_AT]))
    window[MORE] = mergedMore(mores)
    if (this.trigger !== undefined) {
      for (const [i, part] of merged.entries()) {
        forget(turn.cells[1] as TriggerTimers, part)
        this.trigger.clear(parts[i] as OpenWindow)
      }
    }
    window[START] = start
    window[LENGTH_MS] = end - start
    for (const other of merged) if (other !== number) windows.delete(other)
    if (this.trigger === undefined) return
    const slots = mores.map((more) => more?.slots ?? [])
    this.trigger.onMerge(this.subject(turn, number, window), slots, turn.watermark)
  }

  #ask(
    { turn, value, time }: RecordTurn,
    number: number,
    window: OpenWindow,
    isKnown: boolean,
  ): Verdict {
    const subject = this.subject(turn, number, window)
    const { cleanupTime: cleanup } = subject
    if (!isKnown && cleanup !== Infinity) {
      ask(turn, turn.cells[1] as TriggerTimers, number, { time: cleanup, clock: this.clock })
    }
    return (this.trigger as TriggerRunner).onRecord(subject, this.unwrap(value), time)
  }

  protected waitingFor(windows: OpenWindows): Iterable<number> {
    return windows.keys()
  }
}

/** What several sessions remember, as one: open, when one of them is. */
function mergedMore(mores: readonly (More | null)[]): More | null {
  const emitted = mores.flatMap((more) => more?.emitted ?? [])
  return emitted.length === 0 ? null : { emitted }
}

function earliest(times: readonly (Timestamp | null)[]): Timestamp | null {
  let first: Timestamp | null = null
  for (const time of times) if (time !== null && (first === null || time < first)) first = time
  return first
}

/** @throws RangeError, at a record, when a function gives no gap. */
function gapFunction(gap: Milliseconds | GapOf<unknown>): GapOf<unknown> {
  if (typeof gap === 'number') return () => gap
  return (value) => {
    const gapMs = gap(value)
    if (Number.isSafeInteger(gapMs) && gapMs > 0) return gapMs
    throw new RangeError(
      `the gap of a session is ${String(gapMs)}; its function has to give whole milliseconds greater than 0`,
    )
  }
}
