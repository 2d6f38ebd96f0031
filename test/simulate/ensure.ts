/** What must not happen, and did. Ends the run it happened in. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** A violation may be found inside the code under test, which could swallow it: the first one is kept. */
let found: Violation | undefined

export function ensure(condition: boolean, what: string): asserts condition {
  if (condition) return
  found ??= new Violation(what)
  throw found
}

export function foundViolation(): Violation | undefined {
  return found
}

export function forgetViolation(): void {
  found = undefined
}
