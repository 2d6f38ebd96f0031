/**
 * What an interval join has to give, slowly and obviously: every record is kept for ever, and every
 * pair is looked at.
 */
import type { IntervalJoin } from '../../../operators/join/interval-join.ts'
import { type Entry, isItem, type Item } from './join-script.ts'

export interface Joined {
  readonly key: string
  readonly left: number | null
  readonly right: number | null
  readonly time: number
}

interface Kept {
  readonly item: Item
  /** The last time a partner may have. */
  readonly until: number
  hasPartner: boolean
  hasLeft: boolean
}

export interface IntervalOutcome {
  /** In the order of each key; the order of keys among each other is open. */
  readonly results: readonly Joined[]
  readonly late: readonly { readonly side: string; readonly n: number }[]
  /** What still waits at the end: the numbers of a key's records by side. */
  readonly waiting: (key: string, side: string) => readonly number[]
}

export function intervalOracle(
  entries: readonly Entry[],
  { lowerMs, upperMs, kind, time }: IntervalJoin,
): IntervalOutcome {
  const kept: Kept[] = []
  const results: Joined[] = []
  const late: { side: string; n: number }[] = []
  let watermark = Number.NEGATIVE_INFINITY
  const leavesAlone = {
    left: ['left', 'outer'].includes(kind),
    right: ['right', 'outer'].includes(kind),
  }

  const emitPair = (left: Item, right: Item): void => {
    const times = { left: left.timestamp, right: right.timestamp }
    const at = time === 'max' ? Math.max(times.left, times.right) : times[time]
    results.push({ key: left.key, left: left.n, right: right.n, time: at })
  }
  const release = (): void => {
    const due = kept.filter(({ until, hasLeft }) => until <= watermark && !hasLeft)
    due.sort(
      (a, b) =>
        a.until - b.until || (a.item.side < b.item.side ? -1 : a.item.side > b.item.side ? 1 : 0),
    )
    for (const waiting of due) {
      waiting.hasLeft = true
      const { side, key, n, timestamp } = waiting.item
      if (waiting.hasPartner || !leavesAlone[side]) continue
      results.push({
        key,
        left: side === 'left' ? n : null,
        right: side === 'right' ? n : null,
        time: timestamp,
      })
    }
  }

  for (const entry of entries) {
    if (!isItem(entry)) {
      watermark = Math.max(watermark, entry.watermark)
      release()
      continue
    }
    if (entry.timestamp <= watermark) {
      late.push({ side: entry.side, n: entry.n })
      continue
    }
    const until = entry.timestamp + (entry.side === 'left' ? upperMs : -lowerMs)
    const mine: Kept = { item: entry, until, hasPartner: false, hasLeft: false }
    const partners = kept
      .filter(({ item }) => item.key === entry.key && item.side !== entry.side)
      .filter(({ item }) => {
        const [left, right] = entry.side === 'left' ? [entry, item] : [item, entry]
        const distance = right.timestamp - left.timestamp
        return distance >= lowerMs && distance <= upperMs
      })
      .toSorted((a, b) => a.item.timestamp - b.item.timestamp || a.item.n - b.item.n)
    for (const partner of partners) {
      partner.hasPartner = true
      mine.hasPartner = true
      if (entry.side === 'left') emitPair(entry, partner.item)
      else emitPair(partner.item, entry)
    }
    kept.push(mine)
    release()
  }
  const waiting = (key: string, side: string): number[] =>
    kept
      .filter(({ item, hasLeft }) => !hasLeft && item.key === key && item.side === side)
      .toSorted((a, b) => a.item.n - b.item.n)
      .map(({ item }) => item.n)
  return { results, late, waiting }
}
