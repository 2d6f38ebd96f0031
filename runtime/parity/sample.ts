/** Some records of a job's sources, in the order in which they are read. */
import type { Timestamp } from '../../operators/time.ts'
import type { Source, SourceInput } from '../source/source.ts'

export interface SampledRecord {
  readonly source: string
  /** As decoded, or an Undecodable. */
  readonly value: unknown
  /** Its event time; that of the record before where it has none. */
  readonly time: Timestamp
  readonly loggedAt: Timestamp
  /** Where it was read, for people. */
  readonly place: string
}

export interface SampledSource {
  readonly name: string
  readonly source: Source
  readonly timeOf: (value: unknown, loggedAt: Timestamp) => Timestamp
}

export interface Sample {
  readonly records: readonly SampledRecord[]
  /** Whether a source has more than was taken. */
  readonly hasMore: boolean
}

/**
 * Reads up to so many records of each source, its inputs in turn.
 * @param limit of each source.
 * @throws what is wrong with a source.
 */
export async function readSample(
  sources: readonly SampledSource[],
  limit: number,
): Promise<Sample> {
  const records: SampledRecord[] = []
  let hasMore = false
  for (const source of sources) {
    const inputs = await source.source.inputs()
    try {
      for (const input of inputs) await input.open(undefined)
      const taken = await takeSome(source, inputs, limit)
      records.push(...taken.records)
      hasMore ||= taken.hasMore
    } finally {
      for (const input of inputs) await input.close()
    }
  }
  return { records, hasMore }
}

async function takeSome(
  { name, timeOf }: SampledSource,
  inputs: readonly SourceInput[],
  limit: number,
): Promise<Sample> {
  const records: SampledRecord[] = []
  let open = [...inputs]
  while (open.length > 0) {
    const ended = new Set<SourceInput>()
    for (const input of open) {
      const batch = input.poll()
      if (batch === 'end') ended.add(input)
      else if (batch === 'pending') await input.ready()
      else {
        for (const [index, value] of batch.values.entries()) {
          if (records.length === limit) return { records, hasMore: true }
          const { times } = batch
          const loggedAt = typeof times === 'number' ? times : (times[index] as number)
          const time = timeOf(value, loggedAt)
          const known = Number.isFinite(time) ? time : (records.at(-1)?.time ?? loggedAt)
          const place = batch.placeOf(index)
          records.push({ source: name, value, time: known, loggedAt, place })
        }
      }
    }
    open = open.filter((input) => !ended.has(input))
  }
  return { records, hasMore: false }
}
