/**
 * What a job with one tumbling window has to give, computed slowly and obviously: entries one by one,
 * all windows in one list, nothing kept between calls.
 */
export type OracleEntry =
  { readonly key: string; readonly at: number; readonly n: number } | { readonly watermark: number }

export interface OracleResult {
  readonly key: string
  readonly start: number
  readonly n: readonly number[]
}

export interface OracleOutcome {
  /** In the order in which they fire: by end, then by the first record of the window. */
  readonly results: readonly OracleResult[]
  readonly late: readonly number[]
}

export function windowOracle(
  entries: readonly OracleEntry[],
  sizeMs: number,
  isEnded: boolean,
): OracleOutcome {
  const open: { key: string; start: number; n: number[] }[] = []
  const results: OracleResult[] = []
  const late: number[] = []
  let watermark = Number.NEGATIVE_INFINITY
  const fire = (): void => {
    for (;;) {
      let first: (typeof open)[number] | undefined
      for (const window of open) {
        if (window.start + sizeMs - 1 > watermark) continue
        if (first === undefined || window.start < first.start) first = window
      }
      if (first === undefined) return
      open.splice(open.indexOf(first), 1)
      results.push(first)
    }
  }
  for (const entry of entries) {
    if ('watermark' in entry) {
      watermark = Math.max(watermark, entry.watermark)
      fire()
      continue
    }
    let start = 0
    while (start > entry.at) start -= sizeMs
    while (start + sizeMs <= entry.at) start += sizeMs
    if (start + sizeMs - 1 <= watermark) late.push(entry.n)
    else {
      const found = open.find((window) => window.key === entry.key && window.start === start)
      if (found === undefined) open.push({ key: entry.key, start, n: [entry.n] })
      else found.n.push(entry.n)
    }
  }
  if (isEnded) {
    watermark = Number.POSITIVE_INFINITY
    fire()
  }
  return { results, late }
}
