/** Makes the results of windows that fire, and hands them on. */
import type { Aggregate } from '../aggregate/aggregate.ts'
import type { Turn } from '../operator.ts'
import type { Timestamp } from '../time.ts'
import type { Element } from './evictor.ts'
import {
  CONTENTS,
  COUNT,
  type Emitted,
  endOf,
  FIRED,
  MORE,
  type OpenWindow,
  START,
} from './open-window.ts'
import { copyOf } from './plain-data.ts'
import type { WindowOptions } from './window-spec.ts'
import { ONLY_PANE, type Pane } from './window.ts'

/** When and why a window fires. */
export interface Occasion {
  readonly timing: Pane['timing']
  readonly isLast: boolean
  /** Whether the contents are dropped behind the result. */
  readonly purges: boolean
  /** Of a window without end: event time has come at least as far; -∞ when that is not known. */
  readonly time: Timestamp
}

export interface ResultOptions {
  readonly aggregate: Aggregate<unknown, unknown, unknown>
  readonly options: Pick<WindowOptions, 'evictor' | 'results'>
  /** Whether results name their key. */
  readonly keyed: boolean
  /** Each result stands for itself, as of a count window. */
  readonly standAlone: boolean
  readonly unwrap: ((record: unknown) => unknown) | undefined
}

/** The value of a result, and what is left in the window. */
interface Made {
  readonly value: unknown
  readonly contents: unknown
  readonly count: number
  /** Nothing was left for the result to be of. */
  readonly isEmpty: boolean
}

/** An element as an evictor sees it, with the record that it stands for. */
interface View extends Element {
  readonly record: unknown
}

export class WindowResultMaker {
  readonly #made: ResultOptions

  constructor(options: ResultOptions) {
    this.#made = options
  }

  /** Fires a window. One without records, or of which an evictor left none, has no result. */
  fire(turn: Turn, window: OpenWindow, occasion: Occasion): void {
    if (window[COUNT] === 0) return
    const make = (): Made => this.#make(turn, window)
    let made: Made | undefined
    try {
      made = make()
    } catch (error) {
      made = turn.recover(error, this.#subjectOf(window), make)?.value
    }
    // What cannot be made was set aside with the contents; the window goes on.
    if (made === undefined) return
    window[CONTENTS] = made.contents
    window[COUNT] = made.count
    if (!made.isEmpty) this.#handOn(turn, window, made.value, occasion)
  }

  #make(turn: Turn, window: OpenWindow): Made {
    const { aggregate, options } = this.#made
    const [contents, count] = [window[CONTENTS], window[COUNT]]
    if (options.evictor === undefined) {
      return { value: aggregate.result(contents), contents, count, isEmpty: false }
    }
    const { when } = options.evictor
    const held = contents as readonly Element[]
    const elements = when === 'before' ? this.#evict(turn, window, held) : held
    const total = elements.reduce((sum, { value }) => aggregate.add(sum, value), aggregate.init())
    const isEmpty = elements.length === 0
    const value = isEmpty ? undefined : aggregate.result(total)
    const left = when === 'after' ? this.#evict(turn, window, elements) : elements
    return { value, contents: left, count: left.length, isEmpty }
  }

  #evict(turn: Turn, window: OpenWindow, elements: readonly Element[]): readonly Element[] {
    const { options, unwrap } = this.#made
    if (options.evictor === undefined) return elements
    const { watermark, now } = turn
    const at = { window: { start: window[START], end: endOf(window) }, watermark, now }
    const { keep } = options.evictor.evictor
    if (unwrap === undefined) return [...keep([...elements], at)]
    const views = elements.map(({ value, time }): View => ({
      value: unwrap(value),
      time,
      record: value,
    }))
    return keep(views, at).map((kept) => ({ value: (kept as View).record, time: kept.time }))
  }

  #handOn(turn: Turn, window: OpenWindow, made: unknown, occasion: Occasion): void {
    const { options, standAlone } = this.#made
    const { isLast, purges } = occasion
    // What goes on to be changed in place must not change what was handed on.
    const value = isLast || purges ? made : copyOf(made)
    const pane = this.#paneOf(window, occasion)
    const revision = standAlone ? 0 : window[FIRED]
    const result: Emitted = { start: window[START], end: endOf(window), value, pane, revision }
    const time = timeOf(window, occasion)
    if (options.results === 'retracting') {
      for (const earlier of window[MORE]?.emitted ?? []) {
        const ownTime = Number.isFinite(earlier.end) ? earlier.end - 1 : time
        turn.emit({ ...this.#resultOf(turn, earlier), retract: true }, ownTime)
      }
      window[MORE] = { ...window[MORE], emitted: [result] }
    }
    if (!standAlone) window[FIRED] += 1
    turn.emit(this.#resultOf(turn, result), time)
  }

  #paneOf(window: OpenWindow, { timing, isLast }: Occasion): Pane {
    const index = window[FIRED]
    const isOnly = index === 0 && isLast && timing === 'onTime'
    return isOnly || this.#made.standAlone ? ONLY_PANE : { timing, index, isLast }
  }

  #resultOf(turn: Turn, { start, end, value, pane, revision }: Emitted): object {
    const window = { start, end }
    return this.#made.keyed
      ? { key: turn.key, value, window, pane, revision }
      : { value, window, pane, revision }
  }

  /** What is set aside when no result can be made of it. */
  #subjectOf(window: OpenWindow): unknown {
    const contents = window[CONTENTS]
    return this.#made.options.evictor === undefined
      ? contents
      : (contents as readonly Element[]).map(({ value }) => value)
  }
}

/** The time of a result: the last one of its window, or the newest that is known. */
function timeOf(window: OpenWindow, { time }: Occasion): Timestamp {
  if (Number.isFinite(endOf(window))) return endOf(window) - 1
  const newest = window[MORE]?.newest ?? Number.NEGATIVE_INFINITY
  return Number.isFinite(time) ? Math.max(newest, time) : newest
}
