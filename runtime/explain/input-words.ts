/** What an input does, and what can be done about it, in words. */
import type { Timestamp } from '../../operators/time.ts'
import type { InputFacts } from './facts.ts'
import type { ExplainedInput } from './explanation.ts'
import { dateText, recordsText, settingText, spanText } from './words.ts'

/** An input that has been quiet for this long is told as silent. */
const SILENT_MS = 1_000

export const isSilent = ({ silentMs }: InputFacts): boolean =>
  silentMs !== undefined && silentMs >= SILENT_MS

export function explainedInput(input: InputFacts): ExplainedInput {
  const { id, position, records, watermark, maxTime, status, silentMs, settings } = input
  const refused = Object.entries(status.refused ?? {})
  return {
    input: id,
    position,
    state: stateOf(input),
    records,
    watermark,
    maxTime,
    lastTime: status.lastTime,
    heardAt: status.heardAt,
    silentMs,
    idleAfterMs: settings.idleAfterMs,
    waitsFor: status.waitsFor?.input,
    setAside: Object.fromEntries(refused.map(([kind, { records: count }]) => [kind, count])),
  }
}

function stateOf(input: InputFacts): ExplainedInput['state'] {
  if (input.hasEnded) return 'ended'
  if (input.isIdle) return 'idle'
  if (input.status.waitsFor !== undefined) return 'paused'
  if (input.records === 0) return 'never read'
  return isSilent(input) ? 'silent' : 'read'
}

/** An input by its name, and where it is read: `ratings/0 (at ratings.csv:17)`. */
export const inputText = ({ id, position }: InputFacts): string =>
  position === undefined ? id : `${id} (at ${position})`

/** Why its watermark is what it is. */
export function watermarkText(input: InputFacts, largestTime = 'its largest time'): string {
  const { id, maxTime, watermark, settings } = input
  if (maxTime === -Infinity) return `${id} has not given a time yet`
  const largest = `${largestTime} is ${dateText(maxTime)}`
  if (settings.ownWatermarks) {
    return `${largest}; its own watermarks say that time has come to ${dateText(watermark)}`
  }
  if (!settings.progressive) return `${largest}, and it tells how far time has come at its end only`
  const bound =
    settings.outOfOrderMs > 0 ? `the bound of ${spanText(settings.outOfOrderMs)} and ` : ''
  return `${largest}; less ${bound}1 ms, that is a watermark of ${dateText(watermark)}`
}

/** Since when it says nothing; undefined when it does. */
export function silenceText(input: InputFacts): string | undefined {
  const { id, status, silentMs, records } = input
  if (silentMs === undefined || !isSilent(input)) return undefined
  if (records === 0 && status.heardAt === undefined) {
    return `${id} has never had a record; it has been listened to for ${spanText(silentMs)}`
  }
  const since = status.heardAt === undefined ? '' : ` since ${dateText(status.heardAt)}`
  return `${id} has had no record${since} (${spanText(silentMs)} of silence)`
}

/** What was set aside of an input, by reason. */
export function refusedTexts({ id, status }: InputFacts): string[] {
  return Object.entries(status.refused ?? {}).map(
    ([kind, { records, reason }]) =>
      `${id} has set aside ${recordsText(records)} (${kind}); of the newest it said: ${reason}`,
  )
}

/** What to do for records that were set aside. */
export function refusedAdvice({ source, status }: InputFacts): string[] {
  const { refused = {} } = status
  return [
    ...(refused['before minTime'] === undefined
      ? []
      : [
          `If its times are seconds, say so: sources.${source}.eventTime.unit: s. The records are in the dead letter.`,
        ]),
    ...(refused['beyond maxAhead'] === undefined
      ? []
      : [
          `If times may be that far ahead of the log, raise sources.${source}.eventTime.maxAhead; if they are not in milliseconds, set its unit. The records are in the dead letter.`,
        ]),
    ...(refused.schema === undefined && refused.undecodable === undefined
      ? []
      : [`Look into the dead letter for the records of ${source} that could not be read.`]),
  ]
}

/** What time a next record has to have so that the watermark comes to a time. */
export function neededText({ source, settings }: InputFacts, watermark: Timestamp): string {
  const time = dateText(watermark + 1 + settings.outOfOrderMs)
  return `A record of ${source} with a time of ${time} or later moves the watermark there.`
}

/** Fewer records say nothing of those to come. */
const RECORDS_TELLING = 100

/** A bound that would do as well, where the one that is set is larger than it has to be. */
export function smallerBound({ source, settings, keeping999Ms, records }: InputFacts): string[] {
  if (records < RECORDS_TELLING || keeping999Ms * 2 > settings.outOfOrderMs) return []
  return [
    `So far 99.9 % of its records came at most ${spanText(keeping999Ms)} behind the largest time: sources.${source}.eventTime.outOfOrder: ${settingText(Math.max(1, keeping999Ms))} would do.`,
  ]
}
