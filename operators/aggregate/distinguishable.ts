import { finite } from './sum.ts'

/** What can be told apart, also after it was stored: numbers and texts. */
export type Distinguishable = number | string

/**
 * The value as it is stored, so that the same ones are the same before and after: -0 is 0, and
 * halves of surrogate pairs, which UTF-8 does not have, are U+FFFD.
 * @throws TypeError that names the aggregate when it is a number that is not finite, or neither.
 */
export function distinguishable(value: Distinguishable, aggregate: string): Distinguishable {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return finite(value, aggregate) + 0
  const given = value === null ? 'null' : `a value of type ${typeof value}`
  throw new TypeError(`${aggregate}: ${given} is neither a number nor a text`)
}
