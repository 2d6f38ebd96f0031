/** One class per thing the reader of the error has to do. Every message says what, where, and what now. */

/** The job, manifest, flags or environment must be changed; nothing was started or changed. Exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** Every problem found, one line each. */
  readonly problems: readonly string[]
  constructor(problems: string | readonly string[], options?: ErrorOptions) {
    const list = typeof problems === 'string' ? [problems] : problems
    super(list.join('\n'), options)
    this.problems = list
  }
}

/** The state folder cannot be used as asked: in use, of another job or shape, corrupt. Exit code 3. */
export class StateError extends Error {
  override readonly name = 'StateError'
}

/** A source or a sink lost, or went back behind, what this job has read or written (I8). Exit code 4. */
export class DataLossError extends Error {
  override readonly name = 'DataLossError'
}

/** A user function failed and the operator's policy is to fail the job. Exit code 5. */
export class UserCodeError extends Error {
  override readonly name = 'UserCodeError'
  readonly operator: string
  readonly key: string | undefined
  readonly position: string | undefined
  constructor(
    message: string,
    at: { operator: string; key: string | undefined; position: string | undefined },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.operator = at.operator
    this.key = at.key
    this.position = at.position
  }
}

/** Something outside is away or full for now: retry with back-off. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
}

/** Stops the process's work on a programmer error: better to stop than to go on wrongly. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(what)
}

/** A programmer error of the runtime itself; please report it. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
  constructor(what: string) {
    super(`broken invariant: ${what}; this is a bug in millrace, please report it`)
  }
}

/** Errors that will be the same at the next attempt, or that show the runtime itself to be wrong. */
export function isFinal(error: unknown): boolean {
  return FINAL_ERRORS.some((kind) => error instanceof kind)
}

const FINAL_ERRORS = [
  ConfigError,
  StateError,
  DataLossError,
  UserCodeError,
  InvariantError,
] as const

/** The text of anything that was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
