/** Who holds time back. */
import { TIME_MAX, TIME_MIN, type Milliseconds, type Timestamp } from '../../operators/time.ts'
import type { InputFacts, MinimumFacts, OperatorTimeFacts, TimeFacts } from './facts.ts'

/** The way from an operator to the input that its time follows. */
export interface Holder {
  /** Undefined when all are idle: then nobody holds time back, and nobody moves it. */
  readonly input: InputFacts | undefined
  /** By how much operators on the way hold time back, together. */
  readonly holdBackMs: Milliseconds
  /** Those that do. */
  readonly heldBackBy: readonly OperatorTimeFacts[]
  /** One on the way that has still to fire what its time made due. */
  readonly unfired: OperatorTimeFacts | undefined
}

export function holderOf(reached: TimeFacts): Holder {
  const heldBackBy: OperatorTimeFacts[] = []
  let holdBackMs = 0
  let unfired: OperatorTimeFacts | undefined
  let at: TimeFacts | undefined = reached
  while (at !== undefined && at.kind !== 'input') {
    if (at.kind === 'minimum') {
      at = slowestOf(at)
      continue
    }
    if (at.holdBackMs > 0) heldBackBy.push(at)
    holdBackMs += at.holdBackMs
    if (!at.isIdle && at.watermark < at.from.watermark - at.holdBackMs) unfired = at
    at = at.from
  }
  const input = at?.isIdle === true ? undefined : at
  return { input, holdBackMs, heldBackBy, unfired }
}

/** Which of several time follows; undefined when all of them are idle or have ended. */
function slowestOf({ of, watermark }: MinimumFacts): TimeFacts | undefined {
  const counting = of.filter((part) => !part.isIdle && part.watermark !== TIME_MAX)
  const caughtUp = counting.filter((part) => part.watermark >= watermark)
  // Those that were idle and are behind hold nobody back until the first of them has caught up.
  return caughtUp.length > 0
    ? caughtUp.reduce((slowest, part) => (part.watermark < slowest.watermark ? part : slowest))
    : counting.reduce<TimeFacts | undefined>(
        (first, part) => (first === undefined || part.watermark > first.watermark ? part : first),
        undefined,
      )
}

/** Every input that time here follows from, in the order of the graph. */
export function inputsBehind(reached: TimeFacts): readonly InputFacts[] {
  switch (reached.kind) {
    case 'input':
      return [reached]
    case 'operator':
      return inputsBehind(reached.from)
    case 'minimum':
      return [...new Set(reached.of.flatMap(inputsBehind))]
  }
}

/** How far time would come if an input fell silent for good. */
export function watermarkWithout(reached: TimeFacts, input: InputFacts): Timestamp {
  return withoutInput(reached, input).watermark
}

interface Reached {
  readonly watermark: Timestamp
  readonly isIdle: boolean
}

function withoutInput(reached: TimeFacts, input: InputFacts): Reached {
  if (reached === input) return { watermark: reached.watermark, isIdle: true }
  if (reached.kind === 'input') return reached
  if (reached.kind === 'operator') {
    const { watermark, isIdle } = withoutInput(reached.from, input)
    return { watermark: Math.max(reached.watermark, watermark - reached.holdBackMs), isIdle }
  }
  const parts = reached.of.map((part) => withoutInput(part, input))
  const counting = parts.filter((part) => !part.isIdle && part.watermark !== TIME_MAX)
  if (counting.length === 0) {
    const idle = parts.filter((part) => part.isIdle).map((part) => part.watermark)
    return { watermark: Math.max(reached.watermark, ...idle, TIME_MIN), isIdle: true }
  }
  const caughtUp = counting.filter((part) => part.watermark >= reached.watermark)
  const slowest = Math.min(...caughtUp.map((part) => part.watermark))
  return { watermark: caughtUp.length === 0 ? reached.watermark : slowest, isIdle: false }
}
