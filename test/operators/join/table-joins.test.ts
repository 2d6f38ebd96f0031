/** Joins with tables on random changes, with crashes, against plain maps. MILLRACE_SEED=… runs a failing case again. */
import { describe, expect, it } from 'vitest'
import { job, type JobDefinition } from 'millrace'
import { testJob } from 'millrace/testing'
import {
  byKey,
  chanceOf,
  closeQuietly,
  endInputs,
  type Entry,
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
const KINDS = ['inner', 'left', 'right', 'outer'] as const
type Kind = (typeof KINDS)[number]

interface Pair {
  readonly left: number | null
  readonly right: number | null
}

/** Every third row takes the row of its key away. */
const rowOf = (item: Item): Item | null => (item.n % 3 === 0 ? null : item)

const lookups = (kind: 'inner' | 'left'): JobDefinition =>
  job('lookups', ({ source, sink }) => {
    const { left, right } = sidesOf(source, 'one')
    left
      .joinTable('join', right.map(rowOf), { kind }, (l, row): Pair => ({
        left: l.n,
        right: row?.n ?? null,
      }))
      .process(timed<Pair>())
      .to(sink('results'))
  })

const tables = (kind: Kind): JobDefinition =>
  job('tables', ({ source, sink }) => {
    const { left, right } = sidesOf(source, 'one')
    left
      .map(rowOf)
      .joinTables('join', right.map(rowOf), { kind }, (l, r): Pair => ({
        left: l?.n ?? null,
        right: r?.n ?? null,
      }))
      .process(timed<Pair | null>())
      .to(sink('results'))
  })

interface Result<Row> {
  readonly key: string
  readonly result: Row
  readonly time: number
}

function lookupOracle(entries: readonly Entry[], kind: 'inner' | 'left'): Result<Pair>[] {
  const table = new Map<string, Item>()
  const results: Result<Pair>[] = []
  for (const entry of entries.filter(isItem)) {
    const { key, n, timestamp: time } = entry
    if (entry.side === 'right') {
      if (rowOf(entry) === null) table.delete(key)
      else table.set(key, entry)
      continue
    }
    const row = table.get(key)
    if (row !== undefined || kind === 'left') {
      results.push({ key, result: { left: n, right: row?.n ?? null }, time })
    }
  }
  return results
}

function tablesOracle(entries: readonly Entry[], kind: Kind): Result<Pair | null>[] {
  const sides = { left: new Map<string, Item>(), right: new Map<string, Item>() }
  const results: Result<Pair | null>[] = []
  const joinedOf = (key: string): Pair | null => {
    const [left, right] = [sides.left.get(key), sides.right.get(key)]
    const needs = { inner: left && right, left, right, outer: left ?? right }[kind]
    return needs === undefined ? null : { left: left?.n ?? null, right: right?.n ?? null }
  }
  const timeOf = (key: string): number =>
    Math.max(...[sides.left, sides.right].map((of) => of.get(key)?.timestamp ?? -Infinity))
  for (const entry of entries.filter(isItem)) {
    const { key, side, timestamp } = entry
    const [before, timeBefore] = [joinedOf(key), sides[side].get(key)?.timestamp ?? -Infinity]
    if (rowOf(entry) === null) sides[side].delete(key)
    else sides[side].set(key, entry)
    const after = joinedOf(key)
    if (before === null && after === null) continue
    results.push({ key, result: after, time: Math.max(timestamp, timeBefore, timeOf(key)) })
  }
  return results
}

const timesOf = <Row>({ key, result, time }: Timed<Row>): Result<Row> => ({ key, result, time })
const script = { steps: 30, keys: KEYS, spreadMs: 30, sources: 'one' } as const

describe('a join with a table', () => {
  it('finds the row that is there when the record comes, over crashes', async () => {
    for (const seed of seeds(60)) {
      const chance = chanceOf(seed)
      const kind = chance.of(['inner', 'left'] as const)
      const t = await testJob(lookups(kind), settingsOf(chance))
      const entries = await runScript(t, chance, script)
      endInputs(t, 'one')
      const results = await t.output<Timed<Pair>>('results')
      expect(results.map(timesOf), `seed ${seed}`).toEqual(lookupOracle(entries, kind))
      await closeQuietly(t)
    }
  }, 120_000)
})

describe('a join of two tables', () => {
  it('changes whenever either does, over crashes', async () => {
    for (const seed of seeds(100)) {
      const chance = chanceOf(seed)
      const kind = chance.of(KINDS)
      const t = await testJob(tables(kind), settingsOf(chance))
      const entries = await runScript(t, chance, script)
      endInputs(t, 'one')
      const results = await t.output<Timed<Pair | null>>('results')
      const expected = tablesOracle(entries, kind)
      expect(byKey(results.map(timesOf)), `seed ${seed} ${kind}`).toEqual(byKey(expected))
      await closeQuietly(t)
    }
  }, 120_000)
})
