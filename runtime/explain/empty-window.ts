/** A window with nothing of the key in it: where its records may have gone. */
import type { Finding } from './explanation.ts'
import type { Facts, WindowFacts } from './facts.ts'
import { inputsBehind } from './holder.ts'
import { refusedAdvice, refusedTexts } from './input-words.ts'
import { dateText, recordsText } from './words.ts'

/** No window holds the time. */
export function inNone(facts: Facts): Finding {
  if (facts.windows.kind === 'session') return empty(facts, undefined)
  return {
    verdict: 'empty',
    cause: 'between windows',
    because: [
      `No window holds this time: ${facts.windows.label} leaves times between its windows out.`,
    ],
    toDo: ['Give the windows a slide that is not larger than their size.'],
  }
}

/** @param window undefined where a session could be. */
export function empty(facts: Facts, window: WindowFacts | undefined): Finding {
  const { key, operator, keyFacts, steps, reached, windows, lateRecords } = facts
  const inputs = inputsBehind(reached)
  const refused = inputs.flatMap(refusedTexts)
  const name = JSON.stringify(key)
  const holds =
    window === undefined
      ? `No session of the key ${name} holds this time`
      : `The window has no records of the key ${name}: there is nothing to fire`
  const because = [`${holds}.`]
  if (keyFacts.nearest.length > 0) {
    const nearest = keyFacts.nearest.map(
      ({ start, end }) => `${dateText(start)} to ${dateText(end)}`,
    )
    because.push(`Open windows of the key, the nearest first: ${nearest.join('; ')}.`)
  } else if (!keyFacts.isKnown) {
    because.push(
      keyFacts.hasOthers
        ? `'${operator}' has nothing of this key, and has other keys.`
        : `'${operator}' has no key at all.`,
    )
  }
  because.push(
    ...inputs.map(
      ({ id, records, maxTime }) =>
        `${id} has taken in ${recordsText(records)}${records === 0 ? '' : `, up to the time ${dateText(maxTime)}`}.`,
    ),
  )
  if (steps.length > 0) {
    because.push(
      `Before '${operator}' records pass ${steps.join(', ')}, where they may be dropped.`,
    )
  }
  because.push(...refused.map((text) => `${text}.`))
  if (lateRecords > 0) because.push(`${recordsText(lateRecords)} of the job came too late.`)
  return {
    verdict: 'empty',
    cause: refused.length > 0 ? 'records set aside' : 'no records',
    ...(window !== undefined && windows.fires === 'at end' && { firesAt: window.end - 1 }),
    because,
    toDo: [
      ...inputs.flatMap(refusedAdvice),
      ...(keyFacts.isKnown
        ? []
        : [
            `Check the key: 'millrace state scan' shows keys that are there; 1 and "1" are two keys.`,
          ]),
    ],
  }
}
