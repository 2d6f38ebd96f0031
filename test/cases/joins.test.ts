/**
 * Joins against known answers, three ways: straight; killed and opened again between any two steps;
 * and as a batch.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { actor, job, type JobDefinition, type KeyedStream, type Window } from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import {
  type IntervalJoinCase,
  intervalJoinCases,
  type JoinStep,
  type WindowJoinCase,
  windowJoinCases,
} from './case-file.ts'
import { Item, made } from './case-job.ts'
import {
  batchOutcome,
  fewOf,
  type Outcome,
  playSteps,
  playThroughDeath,
  sorted,
  type SmallStep,
} from './play.ts'
import { itemOf, itemsOf } from './window-case.ts'

const JOIN = 'join'
type JoinCase = IntervalJoinCase | WindowJoinCase
type Keyed = KeyedStream<Item, string>
type Side = 'left' | 'right'

const jobs: TestJob[] = []
afterEach(async () => {
  for (const t of jobs.splice(0)) await t.close()
})

async function start(definition: JobDefinition): Promise<TestJob> {
  const t = await testJob(definition)
  jobs.push(t)
  return t
}

interface Joined {
  readonly key: string
  readonly text: string
  /** The time the result has to have. */
  readonly at: number
}

/** Adds the time that a result has, which a sink does not show. */
const timed = actor('timed', {
  state: {},
  onRecord: (result: Joined, key) => key.emit({ ...result, time: key.time }),
})

const nameOf = (item: Item | undefined, by: 'n' | 'timestamp'): string =>
  item === undefined ? '-' : String(item[by])

function intervalJoinJob({ join }: IntervalJoinCase): JobDefinition {
  return job('case', ({ source, sink }) => {
    const left = source('left', Item).keyBy(({ key }) => key)
    const right = source('right', Item).keyBy(({ key }) => key)
    const results = left.intervalJoin(
      JOIN,
      right,
      { ...join, kind: join.kind ?? 'inner' } as Parameters<Keyed['intervalJoin']>[2],
      (l: Item | undefined, r: Item | undefined): Joined => ({
        key: (l ?? r)?.key ?? '',
        text: `${nameOf(l, 'timestamp')},${nameOf(r, 'timestamp')}`,
        at: Math.max(l?.timestamp ?? -Infinity, r?.timestamp ?? -Infinity),
      }),
    )
    results.process(timed).to(sink('results'))
    results.late.to(sink('late'))
  })
}

/** What the joins of windows are, as these cases call them. */
interface WindowJoins {
  windowJoin(
    name: string,
    right: Keyed,
    windows: unknown,
    options: { readonly kind: string },
    join: (left: Item | undefined, right: Item | undefined) => unknown,
  ): Results
  coGroup(
    name: string,
    right: Keyed,
    windows: unknown,
    group: (
      left: readonly Item[],
      right: readonly Item[],
      at: { readonly key: string; readonly window: Window },
    ) => Iterable<Joined>,
  ): Results
}
type Results = KeyedStream<Joined, string> & { readonly late: KeyedStream<unknown, string> }

function windowJoinJob({ window, kind, self }: WindowJoinCase): JobDefinition {
  return job('case', ({ source, sink }) => {
    const left = source('left', Item).keyBy(({ key }) => key)
    const right = self === true ? left : source('right', Item).keyBy(({ key }) => key)
    const joins = left as unknown as WindowJoins
    const results =
      kind === 'coGroup'
        ? joins.coGroup(JOIN, right, made(window), (lefts, rights, at) => [
            { key: at.key, text: `${numbers(lefts)}|${numbers(rights)}`, at: at.window.end - 1 },
          ])
        : joins.windowJoin(JOIN, right, made(window), { kind }, (l, r) => ({
            key: (l ?? r)?.key ?? '',
            text: `${nameOf(l, 'n')},${nameOf(r, 'n')}`,
          }))
    results.process(timed).to(sink('results'))
    results.late.to(sink('late'))
  })
}

const numbers = (items: readonly Item[]): string => items.map(({ n }) => n).join(',')

interface LateRow {
  readonly side: Side
  readonly value: Item
}

async function read(t: TestJob): Promise<Outcome> {
  const results = await t.output<Joined & { readonly time: number }>('results')
  const late = await t.output<LateRow>('late')
  return {
    gives: results.map(({ key, text, at, time }) =>
      at === undefined || at === time ? `${key} ${text}` : `${key} ${text} at ${time}`,
    ),
    late: late.map(({ side, value }) => `${side} ${value.key}@${value.timestamp}`),
  }
}

/** The sides that have a source of their own. */
const sidesOf = (joinCase: JoinCase): readonly Side[] =>
  'self' in joinCase && joinCase.self === true ? ['left'] : ['left', 'right']

function smallSteps(joinCase: JoinCase): SmallStep[] {
  const sources = sidesOf(joinCase)
  return joinCase.steps.flatMap((step): SmallStep[] => {
    const expected: Outcome = { gives: step.gives ?? [], late: step.late ?? [] }
    const [side, words] = recordsOf(step)
    if (words === undefined) {
      return [{ text: JSON.stringify(step), expected, run: (t) => runOther(t, step, sources) }]
    }
    return words.split(' ').map((word, i, all) => ({
      text: `${side} ${word}`,
      expected: i === all.length - 1 ? expected : undefined,
      run: (t) => t.push(side, itemOf(word)),
    }))
  })
}

function recordsOf(step: JoinStep): [side: Side, words: string | undefined] {
  if ('left' in step) return ['left', step.left]
  return ['right', 'right' in step ? step.right : undefined]
}

function runOther(t: TestJob, step: JoinStep, sources: readonly Side[]): void {
  if ('watermark' in step) {
    for (const source of sources) t.advanceWatermark(source, step.watermark)
  } else if ('leftWatermark' in step) t.advanceWatermark('left', step.leftWatermark)
  else if ('rightWatermark' in step) t.advanceWatermark('right', step.rightWatermark)
  else if ('end' in step) for (const source of sources) t.endInput(source)
  else t.crash()
}

async function expectLeavings(t: TestJob, { leaves, steps }: JoinCase): Promise<void> {
  if (leaves !== 'nothing') return
  const items = steps.flatMap((step) => itemsOf(recordsOf(step)[1] ?? 'none@0'))
  for (const key of new Set(items.map((item) => item.key))) {
    expect(await t.state(JOIN, key), `state of ${key}`).toBeUndefined()
  }
}

function answers(joinCase: JoinCase, jobOf: () => JobDefinition): void {
  const steps = smallSteps(joinCase)

  it('is answered', async () => {
    const t = await start(jobOf())
    await playSteps(t, steps, read)
    await expectLeavings(t, joinCase)
  })

  it.each(['crash', 'kill', 'reopen'] as const)(
    'is answered with a %s behind each step',
    async (what) => {
      const t = await start(jobOf())
      await playSteps(t, steps, read, () => t[what]())
      await expectLeavings(t, joinCase)
    },
  )

  it('is answered with one death', async () => {
    for (const behind of fewOf(steps)) {
      const t = await start(jobOf())
      // Read again as a whole, two inputs are in another order than step by step: their records may
      // meet before time has come as far, and less is late. So what was is durable.
      const kind = behind % 2 === 0 ? 'crash' : 'kill'
      await playThroughDeath(t, steps, read, { behind, kind, isDurable: true })
    }
  })

  const { batch } = joinCase
  if (batch !== undefined && 'none' in batch) return
  it('is answered in batch', async () => {
    const t = await start(jobOf())
    for (const step of joinCase.steps) {
      const [side, words] = recordsOf(step)
      if (words !== undefined) t.push(side, ...itemsOf(words))
    }
    const sides = sidesOf(joinCase)
    for (const side of sides) t.endInput(side)
    const expected =
      batch === undefined
        ? { gives: joinCase.steps.flatMap((step) => step.gives ?? []), late: [] }
        : batchOutcome(batch)
    const { gives, late } = await read(t)
    expect(late).toEqual(expected.late)
    expect(sorted(gives)).toEqual(sorted(expected.gives))
    expect(await t.finished()).toBe(true)
  })
}

describe('interval-join.json', () => {
  describe.each(intervalJoinCases())('$id', (joinCase) => {
    answers(joinCase, () => intervalJoinJob(joinCase))

    if (!joinCase.steps.some((step) => 'waiting' in step)) return
    it('keeps who may still have a partner, and nobody else', async () => {
      const t = await start(intervalJoinJob(joinCase))
      for (const step of joinCase.steps) {
        for (const small of smallSteps({ ...joinCase, steps: [step] })) small.run(t)
        if (!('waiting' in step) || step.waiting === undefined) continue
        const { waiting } = (await t.state(JOIN, 'k')) ?? {}
        expect({ left: timesOf(waiting, 0), right: timesOf(waiting, 1) }).toEqual(step.waiting)
      }
    })
  })
})

type Waiting = Map<number, readonly [side: 0 | 1, time: number, item: Item]>

/** The times of the records of a side (0 left, 1 right) that wait: by number, each a side, a time and a value. */
const timesOf = (waiting: unknown, side: 0 | 1): number[] =>
  [...((waiting as Waiting | undefined) ?? new Map()).values()]
    .flatMap(([of, time]) => (of === side ? [time] : []))
    .toSorted((a, b) => a - b)

describe('window-join.json', () => {
  describe.each(windowJoinCases())('$id', (joinCase) => {
    answers(joinCase, () => windowJoinJob(joinCase))
  })
})
