/**
 * The smallest input that still shows something: delta debugging (ddmin; Zeller and Hildebrandt, IEEE
 * Transactions on Software Engineering 28, 2002). Parts are taken away, coarse ones first, as long as it shows.
 */

/**
 * @param shows whether an input shows it; it did for all items.
 * @param looksMax bounds the calls: then the smallest so far is given.
 */
export async function minimise<Item>(
  items: readonly Item[],
  shows: (items: readonly Item[]) => Promise<boolean>,
  looksMax: number,
): Promise<readonly Item[]> {
  let smallest = items
  let parts = 2
  for (let looks = 0; smallest.length > 1 && looks < looksMax;) {
    const size = Math.ceil(smallest.length / parts)
    let found: readonly Item[] | undefined
    for (let at = 0; at < smallest.length && found === undefined && looks < looksMax; at += size) {
      const without = [...smallest.slice(0, at), ...smallest.slice(at + size)]
      looks += 1
      if (without.length > 0 && (await shows(without))) found = without
    }
    if (found !== undefined) {
      smallest = found
      parts = Math.max(2, parts - 1)
    } else if (size === 1) return smallest
    else parts = Math.min(smallest.length, parts * 2)
  }
  return smallest
}
