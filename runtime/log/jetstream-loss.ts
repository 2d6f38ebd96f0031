/** What can be wrong with a stream that is read by position, and how each of it is said (I8). */
import { ConfigError, DataLossError, UnavailableError } from '../errors.ts'
import { rangeOf, type StreamInfo } from './jetstream-wire.ts'

export function streamMissing(stream: string, servers: string): UnavailableError {
  return new UnavailableError(
    `stream ${stream} does not exist on NATS ${servers}; create it, or check its name and the account`,
  )
}

export function streamRecreated(stream: string, known: string, found: string): DataLossError {
  return new DataLossError(
    `stream ${stream} was deleted and made again: this job read the one of ${known}, this one is of ${found}; start the job with a new state, or bring the old stream back`,
  )
}

export function streamTruncated(stream: string, last: number, position: number): DataLossError {
  return new DataLossError(
    `stream ${stream} ends at ${last}, but this job has already read up to ${position}: the server lost messages that it had acknowledged; restore the stream, or start the job with a new state`,
  )
}

export function streamRefilled(stream: string, position: number): DataLossError {
  return new DataLossError(
    `message ${position} of stream ${stream} is not the one that this job read: the server lost acknowledged messages and gave their numbers to others; restore the stream, or start the job with a new state`,
  )
}

/** Messages `from` to `to` were removed before they were read. */
export function messagesDiscarded(stream: string, from: number, to: number): DataLossError {
  return new DataLossError(
    `messages ${from}..${to} of stream ${stream} were discarded (max_age, max_msgs, max_bytes or a purge) before this job read them; it had read up to ${from - 1}. Raise the stream's limits and start the job with a new state, or set onDataLoss: skip to go on without them`,
  )
}

/**
 * Refuses streams whose messages go away when they were delivered: a position in them is no place to
 * come back to.
 */
export function checkReadable(info: StreamInfo): void {
  const { name, retention = 'limits' } = info.config
  if (retention !== 'limits') {
    throw new ConfigError(
      `stream ${name} has retention ${retention}: its messages are gone once they were delivered, so a restarted job could not read them again; use a stream with retention limits, for instance one that sources this one`,
    )
  }
}

/** Refuses a stream that no longer is the one of which `position` was read. */
export function checkUnchanged(info: StreamInfo, created: string, position: number): void {
  const stream = info.config.name
  if (info.created !== created) throw streamRecreated(stream, created, info.created)
  const { last } = rangeOf(info)
  if (last < position) throw streamTruncated(stream, last, position)
}

/**
 * Whether a stream keeps only the newest messages of each subject and nothing else removes any: then
 * older ones are meant to be missing, also at its beginning.
 */
export function isCompacted(info: StreamInfo): boolean {
  const {
    max_msgs_per_subject: each = -1,
    max_age = 0,
    max_msgs = -1,
    max_bytes = -1,
  } = info.config
  return each > 0 && max_age === 0 && max_msgs <= 0 && max_bytes <= 0
}
