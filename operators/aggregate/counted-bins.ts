/**
 * How often each bin was hit: the bins that were, in rising order, and beside each its count.
 * Beyond `binsMax` the lowest are joined into the next one. What that gives depends on what was
 * counted, and not on the order or on how it was merged: a bin that is among the highest of all was
 * never joined in any part.
 */
export type CountedBins = [bins: number[], counts: number[]]

/** Counts one hit of a bin, in place. */
export function hit(counted: CountedBins, bin: number, binsMax: number): void {
  const [bins, counts] = counted
  const place = placeOf(bin, bins)
  if (bins[place] === bin) counts[place] = (counts[place] as number) + 1
  else {
    bins.splice(place, 0, bin)
    counts.splice(place, 0, 1)
    joinLowest(counted, binsMax)
  }
}

/** What both parts counted. */
export function bothCounted(
  [bins, counts]: CountedBins,
  [binsOfRight, countsOfRight]: CountedBins,
  binsMax: number,
): CountedBins {
  const both: CountedBins = [[], []]
  let next = 0
  for (const [i, bin] of binsOfRight.entries()) {
    for (; next < bins.length && (bins[next] as number) < bin; next++) {
      put(both, bins[next] as number, counts[next] as number)
    }
    const ofLeft = bins[next] === bin ? (counts[next++] as number) : 0
    put(both, bin, ofLeft + (countsOfRight[i] as number))
  }
  for (; next < bins.length; next++) put(both, bins[next] as number, counts[next] as number)
  joinLowest(both, binsMax)
  return both
}

function put([bins, counts]: CountedBins, bin: number, count: number): void {
  bins.push(bin)
  counts.push(count)
}

function joinLowest([bins, counts]: CountedBins, binsMax: number): void {
  const excess = bins.length - binsMax
  if (excess <= 0) return
  let count = 0
  for (let i = 0; i <= excess; i++) count += counts[i] as number
  counts[excess] = count
  bins.splice(0, excess)
  counts.splice(0, excess)
}

function placeOf(bin: number, bins: readonly number[]): number {
  let low = 0
  let high = bins.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((bins[middle] as number) < bin) low = middle + 1
    else high = middle
  }
  return low
}
