import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError, StateError } from '../../runtime/errors.ts'
import {
  SortedFileSource,
  type SortedFileSourceOptions,
} from '../../runtime/source/sorted-file-source.ts'
import type { InputPosition, SourceBatch, SourceInput } from '../../runtime/source/source.ts'
import { Undecodable } from '../../runtime/source/source.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { newSeed, randomFrom } from '../support/random.ts'

let folder: string
let open: SourceInput[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-sorted-'))
})
afterEach(async () => {
  for (const input of open.splice(0)) await input.close()
  await rm(folder, { recursive: true })
})

const at = (name: string): string => join(folder, name)

interface Row {
  readonly t: number
  readonly n: number
  readonly text?: string
}

async function inputOf(
  path: string,
  options: Partial<SortedFileSourceOptions> = {},
): Promise<SourceInput> {
  const [input] = await new SortedFileSource({
    name: 'ratings',
    path: at(path),
    format: path.includes('.csv') ? 'csv' : 'jsonl',
    textColumns: new Set(),
    recordBytesMax: 1_000_000,
    clock: systemClock,
    timeOf: (value) => (value as Partial<Row>).t ?? Number.NaN,
    folder: at('sort/ratings'),
    memoryBytesMax: 1_000_000,
    ...options,
  }).inputs()
  if (input === undefined) throw new Error('a file source has an input')
  open.push(input)
  return input
}

async function next(input: SourceInput): Promise<SourceBatch | undefined> {
  for (;;) {
    const polled = input.poll()
    if (polled === 'end') return undefined
    if (polled !== 'pending') return polled
    await input.ready()
  }
}

async function batches(input: SourceInput, position?: InputPosition): Promise<SourceBatch[]> {
  await input.open(position)
  const all: SourceBatch[] = []
  for (let batch = await next(input); batch !== undefined; batch = await next(input))
    all.push(batch)
  return all
}

const valuesOf = (all: readonly SourceBatch[]): unknown[] => all.flatMap(({ values }) => values)
const placesOf = (all: readonly SourceBatch[]): string[] =>
  all.flatMap((batch) => batch.values.map((_, i) => batch.placeOf(i)))
const textsOf = (all: readonly SourceBatch[]): string[] =>
  all.flatMap((batch) => batch.values.map((_, i) => Buffer.from(batch.bytesOf(i)).toString()))
const stored = (position: InputPosition): InputPosition =>
  JSON.parse(JSON.stringify(position)) as InputPosition

const jsonl = (rows: readonly unknown[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const csv = (rows: readonly Row[]): string =>
  `t,n,text\n${rows.map(({ t, n, text = '' }) => `${t},${n},"${text}\n""q"""\r\n`).join('')}`

/** As a stable sort in memory gives them. */
const sortedRows = <Sortable extends Row>(rows: readonly Sortable[]): Sortable[] =>
  rows.toSorted((a, b) => a.t - b.t)

function randomRows(random: () => number, count: number): Row[] {
  return Array.from({ length: count }, (_, n) => ({ t: Math.floor(random() * 500), n }))
}

describe('a file that is sorted before it is read', () => {
  const seed = newSeed()
  it.each(['a.jsonl', 'a.csv', 'a.jsonl.gz', 'a.csv.gz'])(
    `gives %s in order of time, equal times in order of lines, from any batch on (seed ${seed})`,
    async (name) => {
      const rows = randomRows(randomFrom(seed), 7_000)
      const text = name.includes('csv') ? csv(rows) : jsonl(rows)
      await writeFile(at(name), name.endsWith('.gz') ? gzipSync(text) : text)
      // Much less than the file has.
      const options = { memoryBytesMax: 60_000 }
      const all = await batches(await inputOf(name, options))
      expect(valuesOf(all).map((value) => (value as Row).n)).toEqual(
        sortedRows(rows).map(({ n }) => n),
      )
      const lineOf = name.includes('csv') ? (n: number) => 2 + 2 * n : (n: number) => 1 + n
      expect(placesOf(all)).toEqual(sortedRows(rows).map(({ n }) => `${name}:${lineOf(n)}`))
      expect(all.length).toBeGreaterThan(4)
      for (const [i, { after }] of all.entries()) {
        const rest = await batches(await inputOf(name, options), stored(after))
        expect(valuesOf(rest)).toEqual(valuesOf(all.slice(i + 1)))
        expect(placesOf(rest)).toEqual(placesOf(all.slice(i + 1)))
        expect(textsOf(rest)).toEqual(textsOf(all.slice(i + 1)))
      }
    },
  )

  it('sorts the files of a pattern together, with the columns of each', async () => {
    await writeFile(at('1.csv'), 't,n\n5,1\n3,2\n')
    await writeFile(at('2.csv'), 'n,t,extra\n3,5,x\n4,1,y\n')
    await writeFile(at('3.csv'), 't,n\n3,5\n')
    const all = await batches(await inputOf('*.csv'))
    expect(valuesOf(all)).toEqual([
      { n: 4, t: 1, extra: 'y' },
      { t: 3, n: 2 },
      { t: 3, n: 5 },
      { t: 5, n: 1 },
      { n: 3, t: 5, extra: 'x' },
    ])
    expect(placesOf(all)).toEqual(['2.csv:3', '1.csv:3', '3.csv:2', '1.csv:2', '2.csv:2'])
    expect(textsOf(all)).toEqual(['4,1,y', '3,2', '3,5', '5,1', '3,5,x'])
  })

  it('gives lines that cannot be decoded, and records without a time, once and with their place', async () => {
    await writeFile(
      at('a.jsonl'),
      `{"t":2,"n":1}\nnot json\n{"n":3}\n\n{"t":1,"n":5}\n{"t":null,"n":6}\n"${'x'.repeat(200)}"`,
    )
    const all = await batches(await inputOf('a.jsonl', { recordBytesMax: 100 }))
    expect(placesOf(all)).toEqual([2, 3, 6, 7, 5, 1].map((line) => `a.jsonl:${line}`))
    expect(valuesOf(all)).toEqual([
      new Undecodable(expect.stringMatching(/^not JSON/) as unknown as string),
      { n: 3 },
      { t: null, n: 6 },
      new Undecodable('longer than 100 bytes (limits.recordBytes)'),
      { t: 1, n: 5 },
      { t: 2, n: 1 },
    ])
    expect(textsOf(all).slice(0, 3)).toEqual(['not json', '{"n":3}', '{"t":null,"n":6}'])
  })

  it('gives bad lines of a CSV file as they stand', async () => {
    await writeFile(at('a.csv'), 't,n\n2,1\r\r\n7\n1,3\n0,"open\n')
    const all = await batches(await inputOf('a.csv'))
    expect(textsOf(all)).toEqual(['7', '0,"open\n', '1,3', '2,1\r'])
    expect(placesOf(all)).toEqual(['a.csv:3', 'a.csv:5', 'a.csv:4', 'a.csv:2'])
    // What stands before the line end counts: the second field is a text.
    expect(valuesOf(all).slice(2)).toEqual([
      { t: 1, n: 3 },
      { t: 2, n: '1\r' },
    ])
  })

  it('reads an empty file, and one with a header alone', async () => {
    await writeFile(at('a.csv'), '')
    expect(await batches(await inputOf('a.csv'))).toEqual([])
    await writeFile(at('b.csv'), 't,n\n')
    expect(await batches(await inputOf('b.csv'))).toEqual([])
  })

  it('starts anew from the position of its opening, and keeps the time at which it was first read', async () => {
    await writeFile(at('a.jsonl'), jsonl([{ t: 2 }, { t: 1 }]))
    const first = await inputOf('a.jsonl', { clock: new ManualClock(5_000) })
    const position = stored(await first.open(undefined))
    const again = await inputOf('a.jsonl', { clock: new ManualClock(9_000) })
    const [batch] = await batches(again, position)
    expect([batch?.values, batch?.times]).toEqual([[{ t: 1 }, { t: 2 }], 5_000])
  })

  it('refuses files that no longer sort to the same (I8)', async () => {
    const rows = randomRows(randomFrom(1), 5_000)
    await writeFile(at('a.jsonl'), jsonl(rows))
    const [first] = await batches(await inputOf('a.jsonl'))
    const reread = async (options: Partial<SortedFileSourceOptions> = {}): Promise<unknown> =>
      batches(await inputOf('a.jsonl', options), stored(first?.after))
    await appendFile(at('a.jsonl'), '{"t":999,"n":9}\n')
    await expect(reread()).rejects.toThrow(DataLossError)
    await expect(reread()).rejects.toThrow(
      /read up to record 2048 of 5000, and what is there now \(5001 records\) does not sort to the same/,
    )
    await writeFile(at('a.jsonl'), jsonl(rows.toReversed()))
    await expect(reread()).rejects.toThrow(DataLossError)
    await writeFile(at('a.jsonl'), jsonl(rows))
    await expect(reread({ timeOf: (value) => -(value as Row).t })).rejects.toThrow(DataLossError)
    expect(await reread()).toHaveLength(2)
  })

  it('refuses the position of a file that was read as it stands', async () => {
    await writeFile(at('a.jsonl'), '{"t":1}\n')
    const position = { file: at('a.jsonl'), offset: 8, line: 1, tail: [0, 0], startedAt: 1 }
    await expect((await inputOf('a.jsonl')).open(position)).rejects.toThrow(StateError)
  })

  it('leaves no temporary files behind, nor those of a killed process', async () => {
    await writeFile(at('a.jsonl'), jsonl(randomRows(randomFrom(2), 5_000)))
    const killed = await inputOf('a.jsonl', { memoryBytesMax: 20_000 })
    await killed.open(undefined)
    await next(killed)
    expect((await readdir(at('sort/ratings'))).length).toBeGreaterThan(1)
    const input = await inputOf('a.jsonl')
    await batches(input)
    await input.close()
    expect(await readdir(at('sort'))).toEqual([])
  })

  it('can be closed while it sorts', async () => {
    await writeFile(at('a.jsonl'), jsonl(randomRows(randomFrom(3), 50_000)))
    const input = await inputOf('a.jsonl', { memoryBytesMax: 20_000 })
    await input.open(undefined)
    expect(input.poll()).toBe('pending')
    const ready = input.ready()
    await input.close()
    await ready
    expect(await readdir(folder)).toEqual(['a.jsonl', 'sort'])
    expect(await readdir(at('sort'))).toEqual([])
  })

  it('says what to do when its temporary files cannot be written', async () => {
    await writeFile(at('a.jsonl'), jsonl(randomRows(randomFrom(4), 5_000)))
    await writeFile(at('sort'), 'a file where the folder should be')
    const input = await inputOf('a.jsonl', { memoryBytesMax: 20_000, folder: at('sort/deeper') })
    const failure = batches(input)
    await expect(failure).rejects.toThrow(ConfigError)
    await expect(failure).rejects.toThrow(
      /source 'ratings' is sorted with temporary files in .*sort\/deeper, and that failed: ENOTDIR.*Make the folder writable, name another with --state, or give the sort more memory/,
    )
  })

  it('says what is wrong with a damaged archive', async () => {
    const packed = gzipSync(jsonl(randomRows(randomFrom(5), 100_000)))
    await writeFile(at('a.jsonl.gz'), packed.subarray(0, packed.length / 2))
    await expect(batches(await inputOf('a.jsonl.gz'))).rejects.toThrow(/cannot be unpacked/)
  })
})
