/** What can be wrong with a JetStream stream that is read by position (I8). */
import { ConfigError, UnavailableError } from '../errors.ts'
import { rangeOf, type StreamInfo } from './jetstream-wire.ts'
import { streamRecreated, streamTruncated } from './log-loss.ts'

export function streamMissing(stream: string, servers: string): UnavailableError {
  return new UnavailableError(
    `stream ${stream} does not exist on NATS ${servers}; create it, or check its name and the account`,
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
  if (info.created !== created) throw streamRecreated(stream, position)
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
