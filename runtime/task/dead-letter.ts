/** What is set aside, with its reason, its place and its original bytes (I6). */
import type { Key } from '../../operators/operator.ts'
import type { Timestamp } from '../../operators/time.ts'
import type { CurrentRecord } from './task-input.ts'

export interface DeadLetter {
  readonly reason: string
  /** Where the record came from: `ratings.csv:17`; or the timer in whose turn it happened. */
  readonly place: string
  readonly source?: string
  readonly operator?: string
  readonly key?: Key
  readonly time?: Timestamp
  /** What failed, when it was no record but the result of a timer's turn. */
  readonly value?: unknown
  /** The original record as text when it is UTF-8 … */
  readonly text?: string
  /** … or in base64 when it is not. */
  readonly base64?: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The original bytes of a record, readable where they can be. */
export function originalOf({ batch, index }: CurrentRecord): Pick<DeadLetter, 'text' | 'base64'> {
  const bytes = batch.bytesOf(index)
  try {
    return { text: utf8.decode(bytes) }
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}
