import { appendFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError } from '../../runtime/errors.ts'
import { FileSource, type FileSourceOptions } from '../../runtime/source/file-source.ts'
import type { InputPosition, SourceBatch, SourceInput } from '../../runtime/source/source.ts'
import { Undecodable } from '../../runtime/source/source.ts'
import { systemClock } from '../../runtime/time/clock.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { newSeed, randomFrom } from '../support/random.ts'

let folder: string
let open: SourceInput[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-source-'))
})
afterEach(async () => {
  for (const input of open.splice(0)) await input.close()
  await rm(folder, { recursive: true })
})

const at = (name: string): string => join(folder, name)

async function inputOf(
  path: string,
  options: Partial<FileSourceOptions> = {},
): Promise<SourceInput> {
  const [input] = await new FileSource({
    name: 'ratings',
    path: at(path),
    format: path.includes('.csv') ? 'csv' : 'jsonl',
    textColumns: new Set(),
    follow: false,
    recordBytesMax: 1_000_000,
    clock: systemClock,
    ...options,
  }).inputs()
  if (input === undefined) throw new Error('a file source has an input')
  open.push(input)
  return input
}

/** The next batch, or undefined at the end. */
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
    all.push(kept(batch))
  return all
}

/** Places and bytes are there while the batch is being read. */
function kept(batch: SourceBatch): SourceBatch {
  const places = batch.values.map((_, i) => batch.placeOf(i))
  const bytes = batch.values.map((_, i) => Buffer.from(batch.bytesOf(i)))
  return {
    ...batch,
    placeOf: (index) => places[index] as string,
    bytesOf: (index) => bytes[index] as Buffer,
  }
}

const valuesOf = (all: readonly SourceBatch[]): unknown[] => all.flatMap(({ values }) => values)
const placesOf = (all: readonly SourceBatch[]): string[] =>
  all.flatMap((batch) => batch.values.map((_, i) => batch.placeOf(i)))
/** As the state keeps a position. */
const stored = (position: InputPosition): InputPosition =>
  JSON.parse(JSON.stringify(position)) as InputPosition

const numbers = (from: number, to: number): { n: number }[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ n: from + i }))
const jsonl = (values: readonly unknown[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('')
const csv = (values: readonly { n: number }[]): string =>
  `n,text\n${values.map(({ n }) => `${n},"t\n${n}"\n`).join('')}`

describe('a file source', () => {
  it('reads a file to its end, in order, and names the places', async () => {
    await writeFile(at('a.csv'), 'n\n1\n\n2\n')
    const all = await batches(await inputOf('a.csv'))
    expect(valuesOf(all)).toEqual([{ n: 1 }, { n: 2 }])
    expect(placesOf(all)).toEqual(['a.csv:2', 'a.csv:4'])
    expect(Buffer.from(all[0]?.bytesOf(1) ?? []).toString()).toBe('2')
  })

  it('reads an empty file, and one with a header alone', async () => {
    await writeFile(at('a.csv'), '')
    expect(await batches(await inputOf('a.csv'))).toEqual([])
    await writeFile(at('b.csv'), 'n,m\n')
    expect(await batches(await inputOf('b.csv'))).toEqual([])
  })

  it('passes a byte order mark over', async () => {
    await writeFile(at('a.csv'), '\ufeffn,m\n1,2\n')
    expect(valuesOf(await batches(await inputOf('a.csv')))).toEqual([{ n: 1, m: 2 }])
    await writeFile(at('a.jsonl'), '\ufeff{"n":1}\n')
    expect(valuesOf(await batches(await inputOf('a.jsonl')))).toEqual([{ n: 1 }])
  })

  it.each(['a.jsonl', 'a.csv', 'a.jsonl.gz', 'a.csv.gz'])(
    'goes on in %s behind any batch as if it had never stopped',
    async (name) => {
      const written = numbers(1, 9_000)
      const text = name.includes('csv') ? csv(written) : jsonl(written)
      await writeFile(at(name), name.endsWith('.gz') ? gzipSync(text) : text)
      const all = await batches(await inputOf(name))
      expect(valuesOf(all).map((value) => (value as { n: number }).n)).toEqual(
        written.map(({ n }) => n),
      )
      expect(all.length).toBeGreaterThan(4)
      for (const [i, { after }] of all.entries()) {
        const rest = await batches(await inputOf(name), stored(after))
        expect(valuesOf(rest)).toEqual(valuesOf(all.slice(i + 1)))
        expect(placesOf(rest)).toEqual(placesOf(all.slice(i + 1)))
      }
    },
  )

  it('starts anew from the position of its opening', async () => {
    await writeFile(at('a.csv'), csv(numbers(1, 3)))
    const position = await (await inputOf('a.csv')).open(undefined)
    expect(valuesOf(await batches(await inputOf('a.csv'), stored(position)))).toHaveLength(3)
  })

  it('keeps the time at which the state first read it', async () => {
    await writeFile(at('a.jsonl'), jsonl(numbers(1, 1)))
    const position = await (
      await inputOf('a.jsonl', { clock: new ManualClock(5_000) })
    ).open(undefined)
    const input = await inputOf('a.jsonl', { clock: new ManualClock(9_000) })
    expect((await batches(input, stored(position)))[0]?.times).toBe(5_000)
  })

  it('reads the files of a pattern in the order of their names, from any batch on', async () => {
    await mkdir(at('days'))
    for (const [day, from] of [
      ['2', 4],
      ['10', 1],
      ['3', 7],
    ] as const) {
      await writeFile(at(`days/${day}.csv`), csv(numbers(from, from + 2)))
    }
    const all = await batches(await inputOf('days/*.csv'))
    expect(valuesOf(all).map((value) => (value as { n: number }).n)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9,
    ])
    for (const [i, { after }] of all.entries()) {
      const rest = await batches(await inputOf('days/*.csv'), stored(after))
      expect(valuesOf(rest)).toEqual(valuesOf(all.slice(i + 1)))
    }
    await rm(at('days/10.csv'))
    const [first] = all
    await expect((await inputOf('days/*.csv')).open(stored(first?.after))).rejects.toThrow(
      /10\.csv:\d+, and that file is not there any more/,
    )
  })

  it('says of batches that they are numbers only, and of no other', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const isOdd = (): boolean => random() < 0.000_2
    const field = (): string => (isOdd() ? '"a,b"' : `${Math.floor(random() * 10_000) / 100}`)
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i},${field()},${field()}`)
    await writeFile(at('a.csv'), `n,x,y\n${lines.map((line) => `${line}\n`).join('')}`)
    const all = await batches(await inputOf('a.csv', { recordBytesMax: 100 }))
    expect(valuesOf(all), `seed ${seed}`).toEqual(
      lines.map((line) => {
        const [n, x, y] = line.replaceAll('"a,b"', 'text').split(',')
        const of = (text: string | undefined): unknown => (text === 'text' ? 'a,b' : Number(text))
        return { n: of(n), x: of(x), y: of(y) }
      }),
    )
    const claims = all.map(({ numbers: claimed }) => claimed !== undefined)
    const isTrue = ({ values }: SourceBatch): boolean =>
      values.every((value) => Object.values(value as object).every(Number.isFinite))
    expect(claims.filter(Boolean).length, `seed ${seed}`).toBeGreaterThan(2)
    expect(claims.filter((claim) => !claim).length, `seed ${seed}`).toBeGreaterThan(2)
    for (const batch of all) {
      if (batch.numbers === undefined) continue
      expect(batch.numbers).toEqual(['n', 'x', 'y'])
      expect(isTrue(batch), `seed ${seed}`).toBe(true)
    }
  })

  it('says of no batch that it is numbers only which has a record that is too large', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => `${i === 7 ? '123456789' : i},1`)
    await writeFile(at('a.csv'), `n,m\n${lines.join('\n')}\n1,"x"\n`)
    const all = await batches(await inputOf('a.csv', { recordBytesMax: 10 }))
    expect(all.map(({ numbers: claimed }) => claimed)).toEqual(all.map(() => undefined))
    await writeFile(at('b.csv'), `n,m\n${lines.join('\n')}\n${'1,1\n'.repeat(10_000)}`)
    const more = await batches(await inputOf('b.csv', { recordBytesMax: 10 }))
    expect(more[0]?.values[7]).toBeInstanceOf(Undecodable)
    expect(more[0]?.numbers).toBeUndefined()
    expect(more[1]?.numbers).toEqual(['n', 'm'])
  })

  it.each(['a.jsonl', 'a.jsonl.gz'])(
    'puts the records of %s together that lie across its chunks, however long',
    async (name) => {
      const seed = newSeed()
      const random = randomFrom(seed)
      const values = Array.from({ length: 120 }, (_, n) => ({
        n,
        long: String.fromCharCode(97 + (n % 26)).repeat(Math.floor(random() ** 4 * 300_000)),
      }))
      await writeFile(at(name), name.endsWith('.gz') ? gzipSync(jsonl(values)) : jsonl(values))
      const all = await batches(await inputOf(name))
      expect(valuesOf(all), `seed ${seed}`).toEqual(values)
      const texts = all.flatMap((batch) => batch.values.map((_, i) => String(batch.bytesOf(i))))
      expect(texts, `seed ${seed}`).toEqual(values.map((value) => JSON.stringify(value)))
      for (const [i, { after }] of all.entries()) {
        const rest = await batches(await inputOf(name), stored(after))
        expect(placesOf(rest), `seed ${seed}`).toEqual(placesOf(all.slice(i + 1)))
      }
    },
  )

  it('reads lines longer than a chunk, and across chunks', async () => {
    const long = 'x'.repeat(1_500_000)
    const values = [{ n: 1 }, { n: 2, long }, { n: 3 }, { n: 4, long }, { n: 5 }]
    await writeFile(at('a.jsonl'), jsonl(values))
    const input = await inputOf('a.jsonl', { recordBytesMax: 2_000_000 })
    expect(valuesOf(await batches(input))).toEqual(values)
  })

  it('sets records aside that are too large, and keeps their beginning', async () => {
    for (const length of [200, 1_500_000, 3_500_000]) {
      const long = 'x'.repeat(length)
      await writeFile(at('a.jsonl'), jsonl([{ n: 1 }, { n: 2, long }, { n: 3 }, { n: 4, long }]))
      const all = await batches(await inputOf('a.jsonl', { recordBytesMax: 100 }))
      expect(valuesOf(all)).toEqual([
        { n: 1 },
        expect.any(Undecodable),
        { n: 3 },
        expect.any(Undecodable),
      ])
      expect(placesOf(all)).toEqual([1, 2, 3, 4].map((line) => `a.jsonl:${line}`))
      const second = all.find((batch) => batch.values.some((value) => value instanceof Undecodable))
      const index = second?.values.findIndex((value) => value instanceof Undecodable) ?? 0
      expect(Buffer.from(second?.bytesOf(index) ?? []).toString()).toMatch(/^\{"n":2,"long":"xxx/)
      for (const [i, { after }] of all.entries()) {
        const rest = await batches(await inputOf('a.jsonl', { recordBytesMax: 100 }), stored(after))
        expect(placesOf(rest)).toEqual(placesOf(all.slice(i + 1)))
      }
    }
  })

  it('refuses to go on in a file that was shortened or written anew (I8)', async () => {
    for (const name of ['a.csv', 'a.jsonl']) {
      const text = name.includes('csv') ? csv(numbers(1, 3_000)) : jsonl(numbers(1, 3_000))
      await writeFile(at(name), text)
      const [first, second] = await batches(await inputOf(name))
      const reopened = async (): Promise<unknown> =>
        (await inputOf(name)).open(stored(second?.after))
      await truncate(at(name), 1_000)
      await expect(reopened()).rejects.toThrow(DataLossError)
      await writeFile(at(name), text.replaceAll('0', '7'))
      await expect(reopened()).rejects.toThrow(
        /is not what was read: the file was shortened or written anew/,
      )
      await rm(at(name))
      await expect(inputOf(name)).rejects.toThrow(ConfigError)
      await writeFile(at(name), text)
      expect(await (await inputOf(name)).open(stored(first?.after))).toEqual(stored(first?.after))
    }
  })

  it('goes on in a file that has grown', async () => {
    await writeFile(at('a.csv'), csv(numbers(1, 3)))
    const all = await batches(await inputOf('a.csv'))
    await appendFile(at('a.csv'), '4,x\n')
    expect(valuesOf(await batches(await inputOf('a.csv'), stored(all.at(-1)?.after)))).toEqual([
      { n: 4, text: 'x' },
    ])
  })

  it('says what is wrong with its path', async () => {
    await expect(inputOf('missing.csv')).rejects.toThrow(/missing\.csv does not exist/)
    await expect(inputOf('*.csv')).rejects.toThrow(/no file matches/)
    await mkdir(at('folder.csv'))
    await expect(inputOf('folder.csv')).rejects.toThrow(/is a folder; name a file or a pattern/)
  })

  it('says what is wrong with a damaged archive', async () => {
    const packed = gzipSync(jsonl(numbers(1, 200_000)))
    await writeFile(at('a.jsonl.gz'), packed.subarray(0, packed.length / 2))
    await expect(batches(await inputOf('a.jsonl.gz'))).rejects.toThrow(/cannot be unpacked/)
  })
})

describe('a followed file', () => {
  it('gives what is appended, whole lines only, and does not end', async () => {
    await writeFile(at('a.jsonl'), '{"n":1}\n{"n"')
    const clock = new ManualClock()
    const input = await inputOf('a.jsonl', { follow: true, clock })
    await input.open(undefined)
    expect((await next(input))?.values).toEqual([{ n: 1 }])
    const seen: unknown[] = []
    let after: InputPosition
    /** Polls until so many values were seen; the clock goes on only when the input waits for it. */
    const seeMore = async (count: number): Promise<void> => {
      for (let round = 0; seen.length < count; round++) {
        if (round > 10_000) throw new Error(`saw only ${JSON.stringify(seen)}`)
        const polled = input.poll()
        if (polled === 'end') throw new Error('a followed file has no end')
        if (polled === 'pending') {
          const ready = input.ready()
          while (clock.waiting > 0) clock.advance(20)
          await ready
        } else {
          seen.push(...polled.values)
          after = polled.after
        }
      }
    }
    await appendFile(at('a.jsonl'), ':2}\n')
    await seeMore(1)
    await appendFile(at('a.jsonl'), '{"n":3}\n{"n":4}\n{"n":5')
    await seeMore(3)
    expect(seen).toEqual([{ n: 2 }, { n: 3 }, { n: 4 }])
    await appendFile(at('a.jsonl'), '}\n')
    const again = await inputOf('a.jsonl')
    expect(valuesOf(await batches(again, stored(after)))).toEqual([{ n: 5 }])
  })
})
