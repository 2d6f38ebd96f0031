/**
 * As-of joins on random streams, with crashes, against an oracle that keeps every right record.
 * MILLRACE_SEED=… runs a failing case again.
 */
import { describe, expect, it } from 'vitest'
import { job, type JobDefinition } from 'millrace'
import { testJob } from 'millrace/testing'
import {
  byKey,
  type Chance,
  chanceOf,
  closeQuietly,
  endInputs,
  type Entry,
  inOrder,
  isItem,
  type Item,
  runScript,
  seeds,
  settingsOf,
  sidesOf,
  timed,
  type Timed,
} from './join-script.ts'

const KEYS = ['', 'a', '__proto__', 'é']

interface Pair {
  readonly left: number
  readonly right: number | null
}

interface AsOf {
  readonly kind: 'inner' | 'left'
  readonly tolerance?: number
}

const settingOf = ({ below, of }: Chance): AsOf => ({
  kind: of(['inner', 'left'] as const),
  ...(of([true, false]) && { tolerance: below(25) }),
})

const jobOf = (options: AsOf, sources: 'one' | 'two'): JobDefinition =>
  job('joining', ({ source, sink }) => {
    const { left, right } = sidesOf(source, sources)
    const results = left.asOfJoin('join', right, options, (l, r): Pair => ({
      left: l.n,
      right: r?.n ?? null,
    }))
    results.process(timed<Pair>()).to(sink('results'))
    results.late.map(({ side, value: { n } }) => ({ side, n })).to(sink('late'))
  })

/** Slowly: every right record is kept, and all are looked at for each left one. */
function oracle(entries: readonly Entry[], { kind, tolerance = Infinity }: AsOf) {
  const results: { key: string; left: number; right: number | null; time: number }[] = []
  const late: { side: string; n: number }[] = []
  const rights: Item[] = []
  let waiting: Item[] = []
  let watermark = -Infinity
  const newestFor = (key: string, time: number): Item | undefined =>
    rights
      .filter((right) => right.key === key && right.timestamp <= time)
      .reduce<Item | undefined>(
        (best, right) => (best !== undefined && best.timestamp > right.timestamp ? best : right),
        undefined,
      )
  const settle = (): void => {
    const due = waiting.filter(({ timestamp }) => timestamp <= watermark)
    waiting = waiting.filter((left) => !due.includes(left))
    for (const left of due.toSorted((a, b) => a.timestamp - b.timestamp)) {
      const newest = newestFor(left.key, left.timestamp)
      const right = newest && newest.timestamp >= left.timestamp - tolerance ? newest : undefined
      if (right === undefined && kind === 'inner') continue
      const { key, n, timestamp: time } = left
      results.push({ key, left: n, right: right?.n ?? null, time })
    }
  }
  for (const entry of entries) {
    if (!isItem(entry)) {
      watermark = Math.max(watermark, entry.watermark)
      settle()
    } else if (entry.side === 'left') {
      if (entry.timestamp > watermark) waiting.push(entry)
      else late.push({ side: 'left', n: entry.n })
    } else {
      // Late is what no left record to come can meet.
      const isReplaced = (newestFor(entry.key, watermark)?.timestamp ?? -Infinity) > entry.timestamp
      const isTooOld = entry.timestamp + tolerance <= watermark
      if (entry.timestamp <= watermark && (isReplaced || isTooOld)) {
        late.push({ side: 'right', n: entry.n })
      } else rights.push(entry)
    }
  }
  return { results, late }
}

const END = { watermark: Infinity }
const rowOf = ({ key, result, time }: Timed<Pair>) => ({ key, ...result, time })

describe('an as-of join on random streams', () => {
  it('gives from one source what looking at every right record gives, over crashes', async () => {
    for (const seed of seeds(120)) {
      const chance = chanceOf(seed)
      const options = settingOf(chance)
      const t = await testJob(jobOf(options, 'one'), settingsOf(chance))
      const script = { steps: 30, keys: KEYS, spreadMs: 30, sources: 'one' } as const
      const entries = await runScript(t, chance, script)
      endInputs(t, 'one')
      const named = `seed ${seed} ${JSON.stringify(options)}`
      const expected = oracle([...entries, END], options)
      const results = await t.output<Timed<Pair>>('results')
      expect(byKey(results.map(rowOf)), named).toEqual(byKey(expected.results))
      expect(
        results.filter(({ isLate }) => isLate),
        named,
      ).toEqual([])
      expect(await t.output('late'), named).toEqual(expected.late)
      await closeQuietly(t)
    }
  }, 120_000)

  it('gives from two sources the same whatever their interleaving, over crashes', async () => {
    for (const seed of seeds(80)) {
      const chance = chanceOf(seed)
      const options = settingOf(chance)
      const t = await testJob(jobOf(options, 'two'), settingsOf(chance))
      const script = { steps: 30, keys: KEYS, spreadMs: 30, sources: 'two' } as const
      const entries = await runScript(t, chance, script)
      endInputs(t, 'two')
      const named = `seed ${seed} ${JSON.stringify(options)}`
      const results = await t.output<Timed<Pair>>('results')
      const expected = oracle([...entries, END], options)
      expect(inOrder(results.map(rowOf)), named).toEqual(inOrder(expected.results))
      expect(await t.output('late'), named).toEqual([])
      await closeQuietly(t)
    }
  }, 120_000)

  it('keeps of the right records up to the watermark one, and none that is older than the tolerance', async () => {
    for (const tolerance of [undefined, 5]) {
      const options = { kind: 'left' as const, ...(tolerance !== undefined && { tolerance }) }
      const t = await testJob(jobOf(options, 'one'))
      const right = (n: number, timestamp: number): Item => ({
        side: 'right',
        key: 'k',
        timestamp,
        n,
      })
      t.push('items', right(1, 1), right(2, 2), right(3, 2), right(4, 30))
      t.advanceWatermark('items', 20)
      t.push('items', right(5, 3))
      t.advanceWatermark('items', 40)
      t.push('items', right(6, 50))
      const state = await t.state('join', 'k')
      const kept = [...((state?.['waiting'] as Map<number, unknown[]>) ?? [])]
      expect(kept.map(([, stored]) => (stored[2] as Item).n)).toEqual(
        tolerance === undefined ? [4, 6] : [6],
      )
      await t.close()
    }
  })
})
