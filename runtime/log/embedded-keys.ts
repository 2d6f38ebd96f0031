/**
 * Keys of an embedded log. Streams are known by a number that is never used again, so rows of a
 * deleted stream can be removed later and never be taken for those of its successor. Rows of a
 * partition lie in the order of their last sequence: the first key that is not below a sequence is
 * the row that holds it.
 */
const KIND = {
  /** Next free stream number. */
  counter: 0x21,
  /** A removed stream whose rows may still be there. */
  removed: 0x22,
  /** Name → stream. */
  stream: 0x23,
  /** First and last sequence of a partition. */
  partition: 0x24,
  /** Last number of a producer. */
  producer: 0x25,
  /** A run of messages. */
  row: 0x26,
} as const

export interface KeyRange {
  readonly start: Uint8Array
  /** Exclusive. */
  readonly end: Uint8Array
}

export const counterKey: Uint8Array = Buffer.of(KIND.counter)

export const streamKey = (name: string): Uint8Array =>
  Buffer.concat([Buffer.of(KIND.stream), Buffer.from(name)])

export const streamRange: KeyRange = {
  start: Buffer.of(KIND.stream),
  end: Buffer.of(KIND.stream + 1),
}

/** The name in a stream's key. */
export const streamOfKey = (key: Uint8Array): string => Buffer.from(key).toString('utf8', 1)

export const removedKey = (stream: number): Uint8Array => numbered(KIND.removed, [stream])

export const removedRange: KeyRange = {
  start: Buffer.of(KIND.removed),
  end: Buffer.of(KIND.removed + 1),
}

/** The stream number in a key of a removed stream. */
export const removedOfKey = (key: Uint8Array): number => Buffer.from(key).readUInt32BE(1)

export const partitionKey = (stream: number, partition: number): Uint8Array =>
  numbered(KIND.partition, [stream, partition])

export const producerKey = (stream: number, partition: number, producerId: string): Uint8Array =>
  Buffer.concat([numbered(KIND.producer, [stream, partition]), Buffer.from(producerId)])

/** Key of the row whose last message has this sequence; as a start: of the row that holds it. */
export const rowKey = (stream: number, partition: number, lastSequence: number): Uint8Array =>
  numbered(KIND.row, [
    stream,
    partition,
    Math.floor(lastSequence / 0x1_0000_0000),
    lastSequence % 0x1_0000_0000,
  ])

/** Rows of a partition from the one that holds a sequence on. */
export const rowRange = (stream: number, partition: number, sequence: number): KeyRange => ({
  start: rowKey(stream, partition, sequence),
  end: numbered(KIND.row, [stream, partition + 1]),
})

/** Everything that is stored under a stream's number. */
export const streamRanges = (stream: number): readonly KeyRange[] =>
  [KIND.row, KIND.partition, KIND.producer].map((kind) => ({
    start: numbered(kind, [stream]),
    end: numbered(kind, [stream + 1]),
  }))

function numbered(kind: number, numbers: readonly number[]): Buffer {
  const key = Buffer.allocUnsafe(1 + 4 * numbers.length)
  key[0] = kind
  numbers.forEach((number, index) => key.writeUInt32BE(number, 1 + 4 * index))
  return key
}
