/** Records are handed out at a multiple of their event time, by a clock that is set. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, test } from 'vitest'
import { FileSource } from '../../runtime/source/file-source.ts'
import { GeneratorSource } from '../../runtime/source/generator-source.ts'
import { Pace, pacedSource } from '../../runtime/source/paced-source.ts'
import { SortedFileSource } from '../../runtime/source/sorted-file-source.ts'
import {
  type PollResult,
  type Source,
  type SourceBatch,
  type SourceInput,
  Undecodable,
} from '../../runtime/source/source.ts'
import { ManualClock } from '../support/manual-clock.ts'

interface Item {
  readonly n: number
  readonly at: number
}

const T0 = 1_000_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-paced-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let clock: ManualClock
beforeEach(() => {
  clock = new ManualClock()
})

const timeOf = (value: unknown): number =>
  value instanceof Undecodable ? Number.NaN : (value as Item).at

const made = (...times: readonly (number | string)[]): Source =>
  new GeneratorSource({
    name: 'items',
    generate: () =>
      times.map((time, n) => (typeof time === 'string' ? time : { n, at: T0 + time })),
    options: undefined,
    clock,
  })

async function opened(source: Source, position?: unknown): Promise<SourceInput> {
  const [input] = await source.inputs()
  if (input === undefined) throw new Error('no input')
  await input.open(position)
  return input
}

const numbersOf = (polled: PollResult): unknown =>
  typeof polled === 'string'
    ? polled
    : polled.values.map((item) => (item instanceof Undecodable ? 'broken' : (item as Item).n))

describe('a paced source', () => {
  it('hands a record out when its time has come, and never before', async () => {
    const input = await opened(
      pacedSource(made(0, 5, 100, 101, 1_000), new Pace(10, clock), timeOf),
    )
    expect(numbersOf(input.poll())).toEqual([0])
    expect(numbersOf(input.poll())).toBe('pending')
    expect(input.hasBacklog).toBe(false)
    clock.advance(9)
    expect(numbersOf(input.poll())).toEqual([1])
    const ready = input.ready()
    clock.advance(1)
    await ready
    expect(numbersOf(input.poll())).toEqual([2])
    clock.advance(89)
    expect(numbersOf(input.poll())).toEqual([3])
    expect(numbersOf(input.poll())).toBe('pending')
    clock.advance(1)
    expect(numbersOf(input.poll())).toEqual([4])
    expect(numbersOf(input.poll())).toBe('end')
  })

  it('has a place behind what it handed out', async () => {
    const times = [0, 5, 100, 1_000]
    const input = await opened(pacedSource(made(...times), new Pace(1, clock), timeOf))
    input.poll()
    clock.advance(100)
    const batch = input.poll() as SourceBatch
    expect(numbersOf(batch)).toEqual([1, 2])
    expect(batch.placeOf(1)).toBe('items#3')
    expect(Buffer.from(batch.bytesOf(1)).toString()).toBe(JSON.stringify({ n: 2, at: T0 + 100 }))
    const again = await opened(made(...times), batch.after)
    expect(numbersOf(again.poll())).toEqual([3])
  })

  it('lets what has no time, or an earlier one, go at once', async () => {
    const source = made(0, '{', 50, '{', -20, 60)
    const input = await opened(pacedSource(source, new Pace(1, clock), timeOf))
    expect(numbersOf(input.poll())).toEqual([0, 'broken'])
    clock.advance(50)
    expect(numbersOf(input.poll())).toEqual([2, 'broken', 4])
  })

  it('keeps one pace with others: it begins with the earliest of them', async () => {
    const pace = new Pace(1, clock)
    const late = await opened(pacedSource(made(100, 200), pace, timeOf))
    expect(numbersOf(late.poll())).toEqual([0])
    const early = await opened(pacedSource(made(0, 100, 200), pace, timeOf))
    expect(numbersOf(early.poll())).toEqual([0])
    clock.advance(100)
    expect(numbersOf(late.poll())).toBe('pending')
    expect(numbersOf(early.poll())).toEqual([1])
    clock.advance(100)
    expect([numbersOf(late.poll()), numbersOf(early.poll())]).toEqual([[1], [2]])
  })

  it('no longer waits when it is closed', async () => {
    const input = await opened(pacedSource(made(0, 1_000), new Pace(1, clock), timeOf))
    input.poll()
    expect(input.poll()).toBe('pending')
    const ready = input.ready()
    await input.close()
    await ready
    expect(clock.waiting).toBe(0)
  })
})

const LINES = Array.from({ length: 9 }, (_, n) => ({ n, at: T0 + n }))
const fileOf = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const file = (name: string, text: string) => ({
  name: 'items',
  path: fileOf(name, text),
  format: name.endsWith('csv') ? ('csv' as const) : ('jsonl' as const),
  textColumns: new Set<string>(),
  recordBytesMax: 1_000,
  clock: new ManualClock(),
})
const csv = `n,at\n${LINES.map(({ n, at }) => `${n},${at}\n${n === 4 ? '\n\n' : ''}`).join('')}`
const jsonl = LINES.map((item) => `${JSON.stringify(item)}\n`).join('')

const SOURCES: Readonly<Record<string, () => Source>> = {
  'a CSV file': () => new FileSource({ ...file('items.csv', csv), follow: false }),
  'a JSONL file': () => new FileSource({ ...file('items.jsonl', jsonl), follow: false }),
  'a sorted file': () =>
    new SortedFileSource({
      ...file('sorted.csv', csv),
      timeOf,
      folder: join(folder, 'sort'),
      memoryBytesMax: 1_000_000,
    }),
}

async function readAll(
  input: SourceInput,
  onBatch: (batch: SourceBatch) => void = () => undefined,
): Promise<unknown[]> {
  const values: unknown[] = []
  for (;;) {
    const polled = input.poll()
    if (polled === 'end') break
    if (polled === 'pending') await input.ready()
    else {
      onBatch(polled)
      values.push(...polled.values)
    }
  }
  await input.close()
  return values
}

test.each(Object.entries(SOURCES))('%s goes on behind any value of a batch', async (_, make) => {
  const positions: string[] = []
  await readAll(await opened(make()), (batch) => {
    for (let index = 0; index < batch.values.length; index++) {
      positions.push(JSON.stringify(batch.positionAfter?.(index)))
    }
  })
  expect(positions).toHaveLength(LINES.length)
  for (const [index, position] of positions.entries()) {
    const rest = await readAll(await opened(make(), JSON.parse(position)))
    expect(rest).toEqual(LINES.slice(index + 1))
  }
})
