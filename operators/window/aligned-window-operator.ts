import type { Turn } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import { type Assigner, assignerOf } from './assigner.ts'
import type { AnyWindowAggregate, WindowOperatorOptions } from './make-window-operator.ts'
import { CONTENTS, COUNT, MORE, opened, type OpenWindow, type OpenWindows } from './open-window.ts'
import type { TriggerRunner } from './trigger/trigger-runner.ts'
import { ask, type TriggerTimers } from './trigger/trigger-timers.ts'
import { CONTINUE, type Verdict } from './trigger/trigger.ts'
import { type Added, type RecordTurn, WindowOperator } from './window-operator.ts'
import type { WindowSpec } from './window-spec.ts'

/** Windows that are where they are, whatever comes: tumbling, sliding, of the calendar, without end. */
export class AlignedWindowOperator extends WindowOperator {
  readonly #assigner: Assigner
  readonly #isEndless: boolean
  /** Whether a second window may fail when the first has the record already. */
  readonly #mayHalfFail: boolean

  constructor(
    spec: WindowSpec<never>,
    aggregate: AnyWindowAggregate,
    options?: WindowOperatorOptions,
  ) {
    super(spec, aggregate, options)
    this.#assigner = assignerOf(spec)
    this.#isEndless = spec.kind === 'global' || spec.kind === 'count'
    this.#mayHalfFail = spec.kind === 'sliding'
  }

  protected add(record: RecordTurn): readonly Added[] {
    const { turn, value, time } = record
    const numbers = this.#assigner.windowsOf(this.clock === 'event' ? time : turn.now)
    const open = numbers.filter((number) => this.#isOpen(turn, number))
    if (open.length === 0) {
      // Between windows that are further apart than long a record is late only when it is itself.
      const isLate = numbers.length > 0 || this.isOver(turn, time + 1)
      if (isLate) turn.late(value, time)
      return []
    }
    // First all contents, which may fail, then everything that changes.
    const contents = open.map((number) => this.#contentsWith(record, number, open.length))
    return open.map((number, i) => this.#put(record, number, contents[i]))
  }

  #isOpen(turn: Turn, number: number): boolean {
    if (this.isOver(turn, this.#assigner.endOf(number))) return false
    return (turn.cell as OpenWindows).get(number)?.[MORE]?.isDone !== true
  }

  #contentsWith({ turn, value, time }: RecordTurn, number: number, windowCount: number): unknown {
    const window = (turn.cell as OpenWindows).get(number)
    if (window === undefined || window[COUNT] === 0) return this.contents.first(value, time)
    const held = window[CONTENTS]
    const copies = this.copies || (this.#mayHalfFail && windowCount > 1)
    return this.contents.add(copies ? this.contents.copy(held) : held, value, time)
  }

  #put(record: RecordTurn, number: number, contents: unknown): Added {
    const { turn } = record
    const windows = turn.cell as OpenWindows
    const held = windows.get(number)
    const window =
      held === undefined
        ? opened(this.#assigner.startOf(number), this.#assigner.endOf(number))
        : this.editable(held)
    window[CONTENTS] = contents
    window[COUNT] += 1
    if (this.#isEndless) noteTime(window, record.time)
    const verdict = this.trigger === undefined ? CONTINUE : this.#ask(record, number, window, held)
    return { number, window, verdict }
  }

  #ask(
    { turn, value, time }: RecordTurn,
    number: number,
    window: OpenWindow,
    held: OpenWindow | undefined,
  ): Verdict {
    const subject = this.subject(turn, number, window)
    const { cleanupTime: cleanup } = subject
    if (held === undefined && cleanup !== Infinity) {
      ask(turn, turn.cells[1] as TriggerTimers, number, { time: cleanup, clock: this.clock })
    }
    return (this.trigger as TriggerRunner).onRecord(subject, this.unwrap(value), time)
  }

  protected waitingFor(_windows: OpenWindows, time: Timestamp): Iterable<number> {
    const ending = this.#assigner.endingWith(time)
    const ended = this.latenessMs === 0 ? ending : this.#assigner.endingWith(time - this.latenessMs)
    return [ended, ending].filter(
      (number, i, all) => number !== undefined && all.indexOf(number) === i,
    ) as number[]
  }
}

/** Windows without end have no time of their own: their results have that of the newest record. */
function noteTime(window: OpenWindow, time: Timestamp): void {
  const newest = window[MORE]?.newest
  if (newest === undefined || time > newest) window[MORE] = { ...window[MORE], newest: time }
}
