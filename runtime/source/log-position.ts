/** A place in a partition of a log, with what is needed to see later that the log is still the same. */
import { crc32 } from 'node:zlib'
import { StateError } from '../errors.ts'
import type { LogMessage } from '../log/log.ts'

export interface LogPosition {
  /** Identity of the stream that was read. */
  readonly created: string
  /** Last sequence that was read; reading goes on behind it. */
  readonly sequence: number
  /** Fingerprint of the message with that sequence; null when there was none to see. */
  readonly time: number | null
  readonly crc: number | null
  /** Last sequence of a bounded reading, fixed before its first record. */
  readonly end?: number
  /** … and the sequence behind which it began. */
  readonly begin?: number
  /** … and what was asked for, in words: a batch that is run again is the same batch. */
  readonly asked?: string
}

/** What only a bounded reading has. */
export type LogBounds = Pick<LogPosition, 'end' | 'begin' | 'asked'>

/** Without what it has of a bounded reading. */
export function placeOf({ created, sequence, time, crc }: LogPosition): LogPosition {
  return { created, sequence, time, crc }
}

export function boundsOf({ end, begin, asked }: LogPosition): LogBounds {
  return {
    ...(end !== undefined && { end }),
    ...(begin !== undefined && { begin }),
    ...(asked !== undefined && { asked }),
  }
}

/** What a position remembers of the last message read. */
export function fingerprintOf(message: LogMessage | undefined): Pick<LogPosition, 'time' | 'crc'> {
  if (message === undefined) return { time: null, crc: null }
  return { time: message.time, crc: crc32(message.data) }
}

/** A position as it came out of the state. @throws StateError when it is none of a log. */
export function logPosition(value: unknown, inputId: string): LogPosition {
  const position = value as Partial<LogPosition> | null
  if (
    typeof position !== 'object' ||
    typeof position?.created !== 'string' ||
    !Number.isSafeInteger(position.sequence) ||
    !isNumberOrNull(position.time) ||
    !isNumberOrNull(position.crc)
  ) {
    throw new StateError(
      `the state has ${JSON.stringify(value)} as the position of input ${inputId}, which is no place in a log. The source was of another kind when the state was written: change it back, or start with a new state.`,
    )
  }
  return position as LogPosition
}

const isNumberOrNull = (value: unknown): boolean => value === null || typeof value === 'number'
