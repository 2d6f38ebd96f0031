/** Which bounds would have kept the records of a source in time. */
import type { Milliseconds } from '../../operators/time.ts'
import { Lateness, type LatenessRow } from './lateness.ts'

/** What the records of a source say of its bound, since the state was created. */
export interface SourceBounds {
  readonly source: string
  readonly records: number
  /** The bound (`outOfOrder`) that 99 % of the records keep, 99.9 %, and all of them. */
  readonly keeping99Ms: Milliseconds
  readonly keeping999Ms: Milliseconds
  readonly keepingAllMs: Milliseconds
}

/** What is known of one input; see Ingest. */
export interface InputLateness {
  readonly source: string
  readonly lateness: { readonly records: number; readonly row: LatenessRow | undefined }
}

/** The inputs of each source taken together. */
export function boundsOf(inputs: readonly InputLateness[]): SourceBounds[] {
  const sources = [...new Set(inputs.map(({ source }) => source))]
  return sources.map((source) => {
    const all = new Lateness()
    let records = 0
    for (const { lateness } of inputs.filter((input) => input.source === source)) {
      records += lateness.records
      if (lateness.row !== undefined) all.merge(lateness.row)
    }
    return {
      source,
      records,
      keeping99Ms: all.boundKeeping(0.99, records),
      keeping999Ms: all.boundKeeping(0.999, records),
      keepingAllMs: all.maxMs,
    }
  })
}
