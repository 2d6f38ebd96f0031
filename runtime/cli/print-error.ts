/** Errors for people: what, where and what to do; the stack only when asked for. */
import { inspect } from 'node:util'
import { exitCodeOf, EXIT } from './exit-codes.ts'

/** The text of an error, every problem on a line of its own. */
export function errorText(thrown: unknown, options: { readonly trace: boolean }): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const lines = withoutSecrets(message).split('\n')
  const unexpected = exitCodeOf(thrown) === EXIT.unexpected
  const text = [`error: ${lines[0]}`, ...lines.slice(1).map((line) => `       ${line}`)]
  if (options.trace) text.push(withoutSecrets(inspect(thrown, { depth: 4 })))
  else if (unexpected) text.push('       run again with --trace to see where it happened')
  return `${text.join('\n')}\n`
}

/** Takes user names and passwords out of the addresses in a text. */
export function withoutSecrets(text: string): string {
  return text.replace(/([a-z][a-z+]*:\/\/)[^\s/@]+@/gi, '$1***@')
}
