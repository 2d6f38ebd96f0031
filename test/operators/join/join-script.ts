/**
 * Random scripts for joins: records of two sides and watermarks, with deaths and changes of settings
 * between them. From one source (`items`), whose order is known, so that the oracle knows the order of
 * results; or from two (`lefts`, `rights`), in which nothing is late, so that the order does not matter.
 */
import { expect } from 'vitest'
import { actor, type JobBuilder } from 'millrace'
import { MOMENTS, type TestChanges, type TestJob } from 'millrace/testing'
import * as z from 'zod'
import { newSeed, randomFrom } from '../../support/random.ts'

export const Item = z.object({
  side: z.enum(['left', 'right']),
  key: z.string(),
  timestamp: z.number(),
  n: z.number(),
})
export type Item = z.infer<typeof Item>

/** What happened, in the order in which the job sees it. */
export type Entry = Item | { readonly watermark: number }

export const isItem = (entry: Entry): entry is Item => 'side' in entry

export interface Chance {
  readonly random: () => number
  below(limit: number): number
  of<Choice>(choices: readonly Choice[]): Choice
}

export const chanceOf = (seed: number): Chance => {
  const random = randomFrom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  return { random, below, of: (choices) => choices[below(choices.length)] as never }
}

export const settingsOf = ({ below, of }: Chance): TestChanges => ({
  batchRecordsMax: of([1, 2, 3, 7, 2_048]),
  commit: { every: of(['1ms', '100ms']), records: 1 + below(12) },
  cache: { entries: of([1, 2, 4, 100]), bytes: of([1, 10_000, 1_000_000]) },
})

export interface ScriptOptions {
  readonly steps: number
  readonly keys: readonly string[]
  /** How far times are spread around the present of the script. */
  readonly spreadMs: number
  readonly sources: 'one' | 'two'
}

/** Runs a random script on a job, and tells what was in it. */
export async function runScript(
  t: TestJob,
  chance: Chance,
  { steps, keys, spreadMs, sources }: ScriptOptions,
): Promise<Entry[]> {
  const { random, below, of } = chance
  const entries: Entry[] = []
  const watermarks = { left: -100, right: -100 }
  let [n, now] = [0, -60]
  for (let step = 0; step < steps; step++) {
    const choice = random()
    if (choice < 0.5) {
      const items = Array.from({ length: 1 + below(8) }, (): Item => {
        const side = of(['left', 'right'] as const)
        const time = now + below(spreadMs) - (sources === 'one' ? Math.floor(spreadMs / 3) : 0)
        const timestamp = sources === 'one' ? time : Math.max(time, watermarks[side] + 1)
        return { side, key: of(keys), timestamp, n: ++n }
      })
      entries.push(...items)
      if (sources === 'one') t.push('items', ...items)
      else for (const item of items) t.push(`${item.side}s`, item)
    } else if (choice < 0.66) {
      now += below(spreadMs)
      if (sources === 'one') {
        entries.push({ watermark: now })
        t.advanceWatermark('items', now)
      } else {
        const side = of(['left', 'right'] as const)
        watermarks[side] = Math.max(watermarks[side], now)
        t.advanceWatermark(`${side}s`, now)
      }
    } else await disturb(t, chance)
  }
  return entries
}

async function disturb(t: TestJob, chance: Chance): Promise<void> {
  const { random, below, of } = chance
  const choice = random()
  if (choice < 0.1) t.advanceClock(below(200))
  else if (choice < 0.25) await t.settled()
  else if (choice < 0.45) t.crash({ at: of(MOMENTS), keptCommits: below(3) })
  else if (choice < 0.6) t.kill(of(MOMENTS))
  else if (choice < 0.75) t.crash({ keptCommits: below(3) })
  else if (choice < 0.87) t.kill()
  else t.reopen(settingsOf(chance))
}

export async function closeQuietly(t: TestJob): Promise<void> {
  // A death that still waits for its moment when the script is over is no failure here.
  await t.close().catch((error: unknown) => expect(String(error)).toMatch(/which never came/))
}

/** So many seeds from a new one on; the one of MILLRACE_SEED alone when it is given. */
export function seeds(count: number): number[] {
  const first = newSeed()
  const given = process.env['MILLRACE_SEED'] !== undefined
  return Array.from({ length: given ? 1 : count }, (_, i) => (first + i) >>> 0)
}

/** Puts the time of each result beside it, and how far time had come behind the join. */
export const timed = <Result>() =>
  actor('timed', {
    state: {},
    onRecord(result: Result, key) {
      key.emit({
        key: key.id,
        result,
        time: key.time,
        isLate: key.time <= key.watermark,
      })
    },
  })

export interface Timed<Result> {
  readonly key: string
  readonly result: Result
  readonly time: number
  /** Whether the result came behind the time it has: the join did not hold back enough. */
  readonly isLate: boolean
}

/** The rows of each key, in order. */
export function byKey<Row extends { readonly key: string }>(
  rows: readonly Row[],
): Map<string, Row[]> {
  const keyed = new Map<string, Row[]>()
  for (const row of rows) keyed.set(row.key, [...(keyed.get(row.key) ?? []), row])
  return keyed
}

/** Whatever the order. */
export const inOrder = (rows: readonly unknown[]): string[] =>
  rows.map((row) => JSON.stringify(row)).toSorted()

/** The two sides of a script, keyed. */
export function sidesOf(source: JobBuilder['source'], sources: 'one' | 'two') {
  const both = sources === 'one' ? source('items', Item) : undefined
  const left = both?.filter(({ side }) => side === 'left') ?? source('lefts', Item)
  const right = both?.filter(({ side }) => side === 'right') ?? source('rights', Item)
  return { left: left.keyBy(({ key }) => key), right: right.keyBy(({ key }) => key) }
}

export function endInputs(t: TestJob, sources: 'one' | 'two'): void {
  for (const source of sources === 'one' ? ['items'] : ['lefts', 'rights']) t.endInput(source)
}
