/** What can be wrong with a stream that is read by position, and how each of it is said (I8). */
import { DataLossError } from '../errors.ts'

const WHAT_NOW = 'bring the stream back, or start the job with a new state'

/** The stream is another one than the position was taken from. */
export function streamRecreated(place: string, sequence: number): DataLossError {
  return new DataLossError(
    `stream ${place} was deleted and made again: this job read its predecessor up to ${sequence}; ${WHAT_NOW}`,
  )
}

/** The stream that was being read is no longer there. */
export function streamDeleted(place: string, sequence: number): DataLossError {
  return new DataLossError(
    `stream ${place} was deleted while it was read, at ${sequence}; ${WHAT_NOW}`,
  )
}

/** The stream ends before what was read of it. */
export function streamTruncated(place: string, last: number, sequence: number): DataLossError {
  return new DataLossError(
    `stream ${place} ends at ${last}, but this job already read up to ${sequence}: the log lost acknowledged messages; ${WHAT_NOW}`,
  )
}

/** The stream ends before the end up to which it is to be read. */
export function streamEndLost(place: string, last: number, end: number): DataLossError {
  return new DataLossError(
    `stream ${place} ends at ${last}, but had messages up to ${end} when this job began to read it: the log lost acknowledged messages; ${WHAT_NOW}`,
  )
}

/** Another message has the number of the last one read. */
export function streamRefilled(place: string, sequence: number): DataLossError {
  return new DataLossError(
    `message ${sequence} of stream ${place} is not the one that this job read: the log lost acknowledged messages and gave their numbers to others; ${WHAT_NOW}`,
  )
}

/** Messages were removed before they were read. */
export function messagesDiscarded(place: string, from: number, to: number): DataLossError {
  return new DataLossError(
    `messages ${from}..${to} of stream ${place} were discarded (retention or a purge) before this job read them; it had read up to ${from - 1}. Raise the stream's retention and start with a new state, or set onDataLoss: skip to go on without them`,
  )
}

/** A stored row does not hold what was written. */
export function rowCorrupt(place: string, sequence: number, what: string): DataLossError {
  return new DataLossError(
    `stream ${place}: the row of message ${sequence} is corrupt (${what}): the disk or another program changed it. Check the disk, and restore the log from a copy`,
  )
}
