/** A window that is over: whether it had to be. */
import { TIME_MAX } from '../../operators/time.ts'
import type { Finding } from './explanation.ts'
import type { Facts, WindowFacts } from './facts.ts'
import { inputsBehind } from './holder.ts'
import { dateText, recordsText, spanText } from './words.ts'

/** A time so far ahead of the clock that a record must have been wrong about it. */
const AHEAD_MS = 3_600_000

/** Nothing is kept of the window, and time has passed it. */
export function over(facts: Facts, { end }: WindowFacts): Finding {
  const { windows, reached, now, lateRecords } = facts
  const until = end - 1 + windows.latenessMs
  const lateness =
    windows.latenessMs > 0 ? `, allowed lateness of ${spanText(windows.latenessMs)} included` : ''
  const isOfEvent = windows.clock === 'event'
  const passed = isOfEvent ? reached.watermark : now
  const because = [
    `Time has passed the window: it took records until ${dateText(until)}${lateness}, and ${isOfEvent ? 'the watermark' : 'the clock'} stands at ${dateText(passed)}.`,
    'If records of the key were in it, it has fired; nothing is kept of it.',
  ]
  if (!isOfEvent) return { verdict: 'over', cause: 'late', firesAt: end - 1, because, toDo: [] }
  because.push(
    `Records that still come for it are late: they go to the side output 'late', or to the dead letter. The job has counted ${recordsText(lateRecords)} that came too late.`,
  )
  const ahead = inputsBehind(reached).filter(({ maxTime }) => maxTime - now > AHEAD_MS)
  if (reached.watermark === TIME_MAX || reached.watermark - now <= AHEAD_MS || ahead.length === 0) {
    return {
      verdict: 'over',
      cause: 'late',
      firesAt: end - 1,
      because,
      toDo: [
        'If it should have waited longer, raise eventTime.outOfOrder of the source, or give the windows an allowedLateness.',
      ],
    }
  }
  return {
    verdict: 'over',
    cause: 'time ahead of clock',
    firesAt: end - 1,
    because: [
      ...because,
      ...ahead.map(
        ({ id, maxTime }) =>
          `${id} has given the time ${dateText(maxTime)}, which is ${spanText(maxTime - now)} ahead of the clock, and moved the watermark there.`,
      ),
    ],
    toDo: ahead.map(
      ({ source }) =>
        `Lower sources.${source}.eventTime.maxAhead, so that such records are set aside, and start with a fresh state: a watermark does not go back.`,
    ),
  }
}
