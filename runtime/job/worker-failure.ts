/** Errors between processes: each arrives as the class that says what its reader has to do. */
import {
  ConfigError,
  DataLossError,
  InvariantError,
  StateError,
  UnavailableError,
  UserCodeError,
} from '../errors.ts'
import type { WorkerFailure } from './worker-messages.ts'

export function failureOf(error: unknown): WorkerFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined }
  const { name, message, stack } = error
  if (!(error instanceof UserCodeError)) return { name, message, stack }
  const { operator, key, position } = error
  return { name, message, stack, operator, key, position }
}

export function errorOf(failure: WorkerFailure): Error {
  const error = classOf(failure)
  // Where it happened is more use than where it arrived.
  if (failure.stack !== undefined) error.stack = failure.stack
  return error
}

function classOf({ name, message, operator = '', key, position }: WorkerFailure): Error {
  switch (name) {
    case 'ConfigError':
      return new ConfigError(message)
    case 'StateError':
      return new StateError(message)
    case 'DataLossError':
      return new DataLossError(message)
    case 'UserCodeError':
      return new UserCodeError(message, { operator, key, position })
    case 'UnavailableError':
      return new UnavailableError(message)
    case 'InvariantError':
      return new InvariantError(message)
    default:
      return new Error(message)
  }
}
