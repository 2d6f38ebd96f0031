/** What a publish that was not acknowledged means for a sink. */
import { ConfigError, UnavailableError } from '../errors.ts'
import type { PublishProblem } from '../log/jetstream-publisher.ts'
import { apiError, JETSTREAM_ERROR } from '../log/jetstream-wire.ts'

/** Refusals after which the stream has to be looked at, because it is not where it was expected. */
const DOUBTS: ReadonlySet<number> = new Set([
  JETSTREAM_ERROR.wrongLastSequence,
  JETSTREAM_ERROR.wrongLastSequenceInFlight,
  JETSTREAM_ERROR.duplicateInProcess,
  JETSTREAM_ERROR.streamSequenceNotMatch,
])

/** The error of a problem that looking at the stream does not solve; undefined of one that it does. */
export function publishError(
  problem: PublishProblem,
  stream: string,
  servers: string,
): Error | undefined {
  if (problem.kind === 'fatal') return problem.error
  if (problem.kind === 'unknown') return undefined
  const number = problem.error.err_code ?? 0
  if (DOUBTS.has(number)) return undefined
  if (number === JETSTREAM_ERROR.streamNotMatch) {
    return new ConfigError(
      `the subject of the results belongs to another stream than ${stream}; correct the subject, or the stream's subjects`,
    )
  }
  if (number === JETSTREAM_ERROR.storeFailed) {
    return new UnavailableError(
      `stream ${stream} is full (${problem.error.description ?? 'store failed'}); results wait until there is room: raise its limits or purge it`,
    )
  }
  return apiError(problem.error, `publish to stream ${stream}`, servers)
}
