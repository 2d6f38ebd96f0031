/** What is wrong with a field, in words for the person who wrote it. */
import type * as z from 'zod'
import { nearestName } from './nearest.ts'

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section of fields',
  record: 'a section of named entries',
  array: 'a list',
}

/** The message of an issue that its schema says nothing about; undefined leaves zod's own. */
export function problemText(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return typeText(issue.expected, issue.input)
    case 'invalid_value':
      return choiceText(issue.values.map(String), issue.input)
    case 'too_small':
      return `is too small; write at least ${issue.minimum}`
    case 'too_big':
      return `is too large; write at most ${issue.maximum}`
    case 'invalid_key':
      return issue.issues[0]?.message
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'invalid_union':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    default:
      return undefined
  }
}

function typeText(expected: string, input: unknown): string {
  const wanted = EXPECTED[expected] ?? expected
  if (input === undefined) return `is missing; write ${wanted}`
  if (input === null) {
    const empty = expected === 'object' || expected === 'record' ? ', or write {}' : ''
    return `is empty; write ${wanted}, or remove it${empty}`
  }
  const quoted = expected === 'string' ? ' (in quotes)' : ''
  return `is ${kindOf(input)}; write ${wanted}${quoted}`
}

function choiceText(choices: readonly string[], input: unknown): string {
  if (input === undefined) return `is missing; write ${choices.join(' or ')}`
  const near = typeof input === 'string' ? nearestName(input, choices) : undefined
  const hint = near === undefined ? `write ${choices.join(' or ')}` : `did you mean '${near}'?`
  return `${JSON.stringify(input)} is not known here; ${hint}`
}

function kindOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list'
  if (typeof input === 'string') return 'a text'
  if (typeof input === 'number') return Number.isInteger(input) ? 'a whole number' : 'a number'
  if (typeof input === 'boolean') return String(input)
  return 'a section'
}
