/** Runs random streams through random windows and compares what comes out with the slow oracle. */
import { expect } from 'vitest'
import { actor, collect, count, job, type JobDefinition, max, min, sum } from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import {
  type PaneEntry,
  type PaneOutcome,
  paneOracle,
  type PaneResult,
} from '../support/pane-oracle.ts'
import {
  type Chance,
  chanceOf,
  playRandomStream,
  type RandomPlan,
  randomPlan,
  randomSettings,
  seeds,
  type WindowKind,
} from '../support/random-windows.ts'
import { Item, windowsOf } from './case-job.ts'

interface Given {
  readonly key: string
  readonly value: unknown
  readonly window: { readonly start: number | null; readonly end: number | null }
  readonly pane: Pick<PaneResult, 'timing' | 'index' | 'isLast'>
  readonly revision: number
  readonly retract?: true
  readonly time: number
}

const numberOf = ({ n }: Item): number => n

const AGGREGATES = {
  sum: sum(numberOf),
  min: min(numberOf),
  max: max(numberOf),
  count: count<Item>(),
  items: collect<Item>(),
}

/** Adds the time that a result has, which a sink does not show. */
const timed = actor('timed', {
  state: {},
  onRecord: (result: object, key) => key.emit({ ...result, time: key.time }),
})

function randomJob(plan: RandomPlan): JobDefinition {
  const windows = windowsOf({ id: '', source: '', of: 'sum', steps: [], ...plan })
  return job('random', ({ source, sink }) => {
    const windowed = source('records', Item)
      .keyBy(({ key }) => key)
      .window(windows)
    const results =
      plan.form === 'apply'
        ? windowed.apply('windows', (items, of) => [{ ...of, value: items.map(numberOf) }])
        : plan.form === 'reduce'
          ? windowed.reduce('windows', (a, b) => ({ ...b, n: a.n + b.n }))
          : windowed.aggregate('windows', AGGREGATES)
    results.process(timed).to(sink('results'))
    results.late.map(numberOf).to(sink('late'))
  })
}

/** Windows made of slices have their values slice by slice; the oracle has them as they came. */
const arranged = ({ window, trigger, evictor }: RandomPlan, values: readonly number[]): number[] =>
  window[0] === 'sliding' && trigger === undefined && evictor === undefined
    ? values.toSorted((a, b) => a - b)
    : [...values]

/** What a result's value has to be, of the numbers it is of. */
function valueOf(plan: RandomPlan, numbers: readonly number[]): unknown {
  const values = arranged(plan, numbers)
  const total = values.reduce((a, b) => a + b, 0)
  if (plan.form === 'apply') return values
  if (plan.form === 'reduce') return total
  return {
    sum: total,
    min: Math.min(...values),
    max: Math.max(...values),
    count: values.length,
    items: values,
  }
}

/** The value a job gave, in the same form. */
function valueGiven(plan: RandomPlan, value: unknown): unknown {
  if (plan.form === 'apply') return arranged(plan, value as number[])
  if (plan.form === 'reduce') return (value as Item).n
  const aggregates = value as { readonly items: readonly Item[] }
  return { ...aggregates, items: arranged(plan, aggregates.items.map(numberOf)) }
}

type Row = Omit<PaneResult, 'values' | 'key' | 'start' | 'end'> & { readonly value: unknown }

const rowGiven = (plan: RandomPlan, { value, pane, revision, retract }: Given): Row => ({
  ...pane,
  revision,
  retract: retract === true,
  value: valueGiven(plan, value),
})

function rowExpected(plan: RandomPlan, result: PaneResult): Row {
  const { key: _key, start: _start, end: _end, values, ...row } = result
  return { ...row, value: valueOf(plan, values) }
}

/** By key and window: the order of different windows is open, that of one window is not. */
function byWindow<Result>(
  results: readonly Result[],
  of: (result: Result) => { readonly key: string; readonly start: unknown; readonly end: unknown },
  row: (result: Result) => Row,
): Readonly<Record<string, readonly Row[]>> {
  const rows: Record<string, Row[]> = {}
  for (const result of results) {
    const { key, start, end } = of(result)
    const name = `'${key}' [${String(start)},${String(end)})`
    ;(rows[name] ??= []).push(row(result))
  }
  return rows
}

/** One random run. @throws what differs, with the seed and all that is random in it. */
export async function runRandomWindows(seed: number, kind: WindowKind): Promise<void> {
  const chance = chanceOf(seed)
  const plan = randomPlan(chance, kind)
  const { outOfOrder } = plan
  const eventTime = outOfOrder === undefined ? {} : { records: { outOfOrder } }
  const t = await testJob(randomJob(plan), { ...randomSettings(chance), eventTime })
  const named = `MILLRACE_SEED=${seed} ${JSON.stringify(plan)}`
  try {
    const entries = await playRandomStream(t, chance, plan)
    await compare(t, entries, plan, named, chance)
  } catch (error) {
    // Whatever is thrown: it is worth nothing without its seed.
    if (error instanceof Error && !error.message.includes(named)) error.message += `\n${named}`
    throw error
  } finally {
    // A death that still waits for its moment when the script is over is no failure here.
    await t.close().catch((error: unknown) => expect(String(error)).toMatch(/which never came/))
  }
}

async function compare(
  t: TestJob,
  entries: PaneEntry[],
  plan: RandomPlan,
  named: string,
  chance: Chance,
): Promise<void> {
  const isEnded = chance.happens(0.8)
  if (isEnded) t.endInput('records')
  const expected: PaneOutcome = paneOracle(
    isEnded ? [...entries, { watermark: Infinity }] : entries,
    plan,
  )
  const given = await t.output<Given>('results')
  expect(
    byWindow(
      given,
      ({ key, window }) => ({ key, ...window }),
      (result) => rowGiven(plan, result),
    ),
    named,
  ).toEqual(
    byWindow(
      expected.results,
      (result) => result,
      (result) => rowExpected(plan, result),
    ),
  )
  expect(await t.output('late'), named).toEqual(expected.late)
  for (const { window, time } of given) {
    if (window.end !== null) expect(time, named).toBe(window.end - 1)
  }
  const records = entries.filter((entry) => 'key' in entry)
  expect(await t.counters(), named).toMatchObject({
    records: records.length,
    late: expected.late.length,
  })
  if (['globalWindow', 'countWindow'].includes(plan.window[0])) return
  for (const key of new Set(records.map((record) => record.key))) {
    if (expected.open.has(key)) continue
    expect(await t.state('windows', key), `${named}, state of '${key}'`).toBeUndefined()
  }
}

/** Many runs; a failing one names its seed. */
export async function runMany(kind: WindowKind, runs: number): Promise<void> {
  const all = seeds(runs)
  console.log(`${kind}: ${all.length} runs from MILLRACE_SEED=${all[0]}`)
  for (const seed of all) await runRandomWindows(seed, kind)
}
