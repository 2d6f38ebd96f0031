/** A run of messages with consecutive numbers, cut once and sent again byte for byte (I4). */
export interface OutboxRow {
  /** Number of the first message; numbers are consecutive from 1 per task and destination. */
  readonly first: number
  /** All messages, one behind the other. */
  readonly bytes: Uint8Array
  /** Where each message ends in `bytes`; its length is the number of messages. */
  readonly ends: Uint32Array
}

/** Number of the last message of a row. */
export const lastOf = (row: OutboxRow): number => row.first + row.ends.length - 1

/** The messages of a row as views of its bytes. */
export function messagesOf(row: OutboxRow): Uint8Array[] {
  const messages: Uint8Array[] = []
  let start = 0
  for (const end of row.ends) {
    messages.push(row.bytes.subarray(start, end))
    start = end
  }
  return messages
}
