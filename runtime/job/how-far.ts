/** How much of a job's bounded inputs is read. */
import type { InputExtent } from '../source/source.ts'

/**
 * From 0 to 1; undefined when an input has no end, or does not know it.
 * @param extents of all inputs; null: not known.
 */
export function shareRead(extents: readonly (InputExtent | null)[]): number | undefined {
  let least: number | undefined
  for (const unit of ['bytes', 'messages'] as const) {
    let [read, total] = [0, 0]
    for (const extent of extents) {
      if (extent === null) return undefined
      if (extent.unit !== unit) continue
      read += extent.read
      total += extent.total
    }
    // Bytes and messages do not add up: the job is as far as the one of them that has more to do.
    if (total > 0) least = Math.min(least ?? 1, read / total)
  }
  return least === undefined ? undefined : Math.min(1, least)
}
