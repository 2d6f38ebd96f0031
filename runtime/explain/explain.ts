/** Says why a window has not fired: a pure function of what is known. */
import type { TimerClock } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import { empty, inNone } from './empty-window.ts'
import type { Explanation, Finding } from './explanation.ts'
import type { Facts, WindowFacts } from './facts.ts'
import { inputsBehind } from './holder.ts'
import { explainedInput } from './input-words.ts'
import { over } from './passed-window.ts'
import { waiting } from './waiting.ts'
import { dateText, recordsText, spanText } from './words.ts'

export function explain(facts: Facts): Explanation {
  const { job, operator, key, time, window, windows, reached, epoch, committedAt } = facts
  return {
    job,
    operator,
    key,
    time,
    windows: windows.label,
    window: window && {
      start: window.start,
      end: window.end,
      records: window.records,
      contents: window.contents,
      results: window.results,
    },
    watermark: reached.watermark,
    epoch,
    committedAt,
    isRunning: facts.isRunning,
    inputs: inputsBehind(reached).map(explainedInput),
    ...amongOthers(facts, find(facts)),
  }
}

/** Says which window is meant, where the time is in several. */
function amongOthers({ windowCount }: Facts, finding: Finding): Finding {
  if (windowCount <= 1) return finding
  const which = finding.verdict === 'over' ? 'the last' : 'the first that time has not passed'
  const because = [`The time is in ${windowCount} windows; this is ${which}.`, ...finding.because]
  return { ...finding, because }
}

function find(facts: Facts): Finding {
  const { window, windows, reached } = facts
  if (facts.isFinished) return finished()
  if (window === undefined) return inNone(facts)
  const passed = windows.clock === 'event' ? reached.watermark : facts.now
  if (window.isDone) return triggerOver()
  if (!window.isOpen && window.end - 1 + windows.latenessMs <= passed) return over(facts, window)
  if (!window.isOpen) return empty(facts, window)
  const found = byTrigger(facts, window)
  if (found !== undefined) return found
  return windows.clock === 'processing' ? byClock(facts, window) : byTime(facts, window)
}

// ── it has fired, or is over ─────────────────────────────────────────────────────────────────────

function finished(): Finding {
  return {
    verdict: 'over',
    cause: 'finished',
    because: [
      'The job has finished: all inputs have ended, and every window that had records has fired.',
    ],
    toDo: [],
  }
}

function triggerOver(): Finding {
  return {
    verdict: 'over',
    cause: 'trigger over',
    because: ['Its trigger is over: the window takes no record any more and gives no result.'],
    toDo: [],
  }
}

// ── windows that wait for more than their end ────────────────────────────────────────────────────

function byTrigger(facts: Facts, window: WindowFacts): Finding | undefined {
  const { windows } = facts
  const trigger = windows.trigger ?? ''
  switch (windows.fires) {
    case 'at end':
      return undefined
    case 'never':
      return {
        verdict: 'never',
        cause: 'never fires',
        because: [`Its trigger ${trigger} never fires: there is no time for which it waits.`],
        toDo: [`Give '${facts.operator}' another trigger, as onCount(100) or onEventTime().`],
      }
    case 'by count':
      return byCount(windows.count ?? 0, window)
    case 'by trigger': {
      const next = nextWakeTime(facts, window)
      if (next !== undefined) return undefined
      return {
        verdict: 'waits',
        cause: 'trigger',
        because: [
          `Its trigger ${trigger} waits for no time: it decides at each record of the key, and has given ${window.results ?? 0} results so far.`,
        ],
        toDo: [
          `To have a result at the latest at the window's end, use earlyAndLate({ early: … }).`,
        ],
      }
    }
  }
}

function byCount(count: number, { records, results }: WindowFacts): Finding {
  const held = records ?? 0
  return {
    verdict: 'waits',
    cause: 'count',
    because: [
      `It fires by count, at each ${count} records of the key: it holds ${recordsText(held)}, and has given ${results ?? 0} results so far.`,
      'Time does not make it fire; neither does the end of the inputs.',
    ],
    toDo: [],
  }
}

/** Triggers that ask for no time. */
const TIMELESS = /^(purging\()?(onCount|onDelta)\(/

/** The first time for which it waits, the one at which it is dropped left out where it has another. */
function nextWakeTime(
  { windows }: Facts,
  { wakeTimes, end }: WindowFacts,
): { readonly time: Timestamp; readonly clock: TimerClock } | undefined {
  const cleanup = end - 1 + windows.latenessMs
  const others = wakeTimes.filter(({ time, clock }) => clock !== windows.clock || time !== cleanup)
  // Without lateness the end and the time of dropping are one: it may be asked for both.
  const mayBeBoth = windows.latenessMs === 0 && !TIMELESS.test(windows.trigger ?? '')
  const asked = others.length === 0 && mayBeBoth ? wakeTimes : others
  return asked.reduce<(typeof asked)[number] | undefined>(
    (first, next) => (first === undefined || next.time < first.time ? next : first),
    undefined,
  )
}

// ── windows that wait for a time ─────────────────────────────────────────────────────────────────

function byClock(facts: Facts, window: WindowFacts): Finding {
  const firesAt = nextWakeTime(facts, window)?.time ?? window.end - 1
  return onClock(facts, firesAt)
}

function onClock({ now, isRunning }: Facts, firesAt: Timestamp): Finding {
  if (firesAt > now) {
    const leftMs = spanText(firesAt - now)
    return {
      verdict: 'waits',
      cause: 'clock',
      firesAt,
      because: [
        `It follows the clock and not the records' times: it fires at ${dateText(firesAt)}, in ${leftMs}${isRunning ? '' : ', or when the job is started after that'}.`,
      ],
      toDo: [],
    }
  }
  return due(isRunning, firesAt, `The clock has come to ${dateText(firesAt)}`)
}

function due(isRunning: boolean, firesAt: Timestamp, reason: string): Finding {
  return isRunning
    ? {
        verdict: 'due',
        cause: 'commit',
        firesAt,
        because: [`${reason}: it fires now; what is told here is the last commit.`],
        toDo: ['Ask again in a moment.'],
      }
    : {
        verdict: 'due',
        cause: 'start',
        firesAt,
        because: [`${reason}, and the job is not running: it fires when the job is started again.`],
        toDo: ['Start the job.'],
      }
}

function byTime(facts: Facts, window: WindowFacts): Finding {
  const { windows, reached } = facts
  const next = nextWakeTime(facts, window)
  const isByTrigger = windows.fires === 'by trigger'
  if (isByTrigger && next?.clock === 'processing') return onClock(facts, next.time)
  const lastTime = window.end - 1
  const hasFired = !isByTrigger && lastTime <= reached.watermark && (window.results ?? 0) > 0
  if (hasFired) {
    const until = lastTime + windows.latenessMs
    return {
      verdict: 'fired',
      cause: 'fired',
      firesAt: lastTime,
      because: [
        `It has fired: the watermark has passed ${dateText(lastTime)}, and it has given ${window.results} results.`,
        `It takes records until the watermark comes to ${dateText(until)}; each of them makes it fire again.`,
      ],
      toDo: [],
    }
  }
  const firesAt = isByTrigger ? (next?.time ?? lastTime) : lastTime
  if (firesAt <= reached.watermark) {
    return due(facts.isRunning, firesAt, `The watermark has come to ${dateText(firesAt)}`)
  }
  return waiting(facts, firesAt)
}
