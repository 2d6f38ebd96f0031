/**
 * What happens when user code throws: try again as often as the operator's policy says, then set the
 * record aside in the dead letter, or fail the job. One key's failure never touches another key.
 */
import type { Failure, Key } from '../../operators/operator.ts'
import { reasonOf, UserCodeError } from '../errors.ts'

/** 'fail' the job, or set the record aside after this many attempts. */
export type ErrorPolicy = 'fail' | { readonly deadLetterAfter: number }

export interface FailureDeskOptions {
  readonly policyOf: (operator: string) => ErrorPolicy
  /** Sets the current record aside; what failed in a timer's turn is the value itself. */
  readonly setAside: (reason: string, operator: string, failure: Failure) => void
  /** Names the place of the current record. */
  readonly place: () => string
}

export class FailureDesk {
  readonly #options: FailureDeskOptions

  constructor(options: FailureDeskOptions) {
    this.#options = options
  }

  /** @throws UserCodeError when the operator's policy is to fail. */
  recover<Out>(
    operator: string,
    failure: Failure,
    again: () => Out,
  ): { readonly value: Out } | undefined {
    const policy = this.#options.policyOf(operator)
    if (policy === 'fail') throw this.#fatal(operator, failure)
    let last = failure.error
    for (let attempt = 2; attempt <= policy.deadLetterAfter; attempt++) {
      try {
        return { value: again() }
      } catch (error) {
        last = error
      }
    }
    this.#options.setAside(`operator '${operator}' failed: ${reasonOf(last)}`, operator, failure)
    return undefined
  }

  /** The error for a result that a sink cannot encode. */
  unwritable(sink: string, error: unknown, key: Key | undefined): UserCodeError {
    const position = this.#options.place()
    const named = key === undefined ? undefined : JSON.stringify(key)
    return new UserCodeError(
      `a result at ${position} cannot be written to the sink '${sink}': ${reasonOf(error)}. Hand on values that have a JSON text.`,
      { operator: sink, key: named, position },
      { cause: error },
    )
  }

  /** The error for a value that cannot go to another task. */
  untravelled(exchange: string, error: unknown, key: Key | undefined): UserCodeError {
    const position = this.#options.place()
    const named = key === undefined ? undefined : JSON.stringify(key)
    const reader = exchange.slice(exchange.indexOf(':') + 1)
    return new UserCodeError(
      `a value at ${position} cannot travel to the task of '${reader}': ${reasonOf(error)}. Hand on plain data before it, or run the job with parallelism 1.`,
      { operator: reader, key: named, position },
      { cause: error },
    )
  }

  #fatal(operator: string, { error, key }: Failure): UserCodeError {
    const place = this.#options.place()
    const named = key === undefined ? undefined : JSON.stringify(key)
    const ofKey = named === undefined ? '' : ` for key ${named}`
    return new UserCodeError(
      `operator '${operator}' failed${ofKey} at ${place}: ${reasonOf(error)}. ` +
        `Mend the operator, or set operators.${operator}.onError to { deadLetterAfter: 3 } to set such records aside.`,
      { operator, key: named, position: place },
      { cause: error },
    )
  }
}
