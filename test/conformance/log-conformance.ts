/** What every Log keeps (L1 to L4 of log.ts), as tests that each implementation runs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError, UnavailableError } from '../../runtime/errors.ts'
import type { Log, LogMessage, LogReader } from '../../runtime/log/log.ts'

/** A log that is open, and what is done to it from outside. */
export interface LogFixture {
  readonly log: Log
  create(stream: string, partitions: number): Promise<void>
  append(stream: string, partition: number, messages: readonly Uint8Array[]): Promise<void>
  /** Discards every message of partition 0 up to a sequence. */
  purge(stream: string, upTo: number): Promise<void>
  /** Deletes a stream and makes it again, empty. */
  recreate(stream: string): Promise<void>
  /** Lets the log's clock go on, where that is not the machine's. */
  tick?(): void
  /** How many partitions a stream may have; default any number. */
  readonly partitionsMax?: number
  close(): Promise<void>
}

const STREAM = 'EVENTS'
const WAIT_MS_MAX = 10_000

const texts = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `message ${from + index}`)
const bytes = (list: readonly string[]): Uint8Array[] => list.map((text) => Buffer.from(text))
const textOf = ({ data }: LogMessage): string => Buffer.from(data).toString('utf8')

/** Messages of a reader until there are enough, with the bound that tests wait. */
export async function readMessages(reader: LogReader, count: number): Promise<LogMessage[]> {
  const messages: LogMessage[] = []
  const deadline = Date.now() + WAIT_MS_MAX
  while (messages.length < count) {
    if (Date.now() > deadline) throw new Error(`message ${messages.length + 1} did not come`)
    const batch = reader.poll()
    if (batch === undefined) await inTime(reader.ready(), `message ${messages.length + 1}`)
    else messages.push(...batch.messages)
    await nextTurn()
  }
  return messages
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

async function inTime<Result>(promise: Promise<Result>, what: string): Promise<Result> {
  let timeout: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timeout = setTimeout(() => reject(new Error(`${what} did not come in time`)), WAIT_MS_MAX)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timeout)
  }
}

export function logConformance(name: string, make: () => Promise<LogFixture>): void {
  describe(`${name} as a log`, () => {
    let fixture: LogFixture
    let log: Log

    beforeEach(async () => {
      fixture = await make()
      log = fixture.log
      await fixture.create(STREAM, 1)
    })
    afterEach(async () => fixture.close())

    const append = (list: readonly string[]): Promise<void> =>
      fixture.append(STREAM, 0, bytes(list))

    it('numbers the messages of a partition from 1, by one (L1)', async () => {
      expect(await log.inspect(STREAM, 0)).toMatchObject({ first: 1, last: 0 })
      await append(texts(1, 3))
      await append(texts(4, 5))
      expect(await log.inspect(STREAM, 0)).toMatchObject({ first: 1, last: 5 })
      const reader = await log.read(STREAM, 0, 0)
      const messages = await readMessages(reader, 5)
      expect(messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5])
      expect(messages.map(textOf)).toEqual(texts(1, 5))
      await reader.close()
    })

    it('does not number again what was discarded (L1)', async () => {
      await append(texts(1, 4))
      await fixture.purge(STREAM, 4)
      expect(await log.inspect(STREAM, 0)).toMatchObject({ first: 5, last: 4 })
      await append(['next'])
      expect(await log.inspect(STREAM, 0)).toMatchObject({ first: 5, last: 5 })
      const next = await log.fetch(STREAM, 0, 5)
      expect(next && textOf(next)).toBe('next')
    })

    it('keeps bytes as they are, empty ones too', async () => {
      const odd = [Buffer.alloc(0), Buffer.from([0, 255, 10, 13]), Buffer.alloc(100_000, 7)]
      await fixture.append(STREAM, 0, odd)
      const reader = await log.read(STREAM, 0, 0)
      const messages = await readMessages(reader, 3)
      expect(messages.map(({ data }) => Buffer.compare(data, Buffer.alloc(0)) === 0)).toEqual([
        true,
        false,
        false,
      ])
      messages.forEach(({ data }, index) =>
        expect(Buffer.compare(data, odd[index] ?? Buffer.alloc(1))).toBe(0),
      )
      await reader.close()
    })

    it('gives messages times that do not go back, and the same ones again', async () => {
      await append(texts(1, 2))
      fixture.tick?.()
      await append(texts(3, 4))
      const reader = await log.read(STREAM, 0, 0)
      const times = (await readMessages(reader, 4)).map(({ time }) => time)
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect((await log.fetch(STREAM, 0, 3))?.time).toBe(times[2])
      await reader.close()
    })

    it('fetches what is retained and nothing else', async () => {
      await append(texts(1, 5))
      await fixture.purge(STREAM, 2)
      const found = await Promise.all([0, 1, 2, 3, 5, 6].map((at) => log.fetch(STREAM, 0, at)))
      expect(found.map((message) => message && textOf(message))).toEqual([
        undefined,
        undefined,
        undefined,
        'message 3',
        'message 5',
        undefined,
      ])
    })

    it('reads everything behind a place once and in order, also what comes later (L3)', async () => {
      await append(texts(1, 10))
      const reader = await log.read(STREAM, 0, 7)
      expect((await readMessages(reader, 3)).map(textOf)).toEqual(texts(8, 10))
      expect(reader.poll()).toBeUndefined()
      const later = readMessages(reader, 2)
      await append(texts(11, 12))
      expect((await later).map(textOf)).toEqual(texts(11, 12))
      await reader.close()
    })

    it('reads in batches that are bounded', async () => {
      const total = 10_000
      for (let from = 1; from <= total; from += 2_500) await append(texts(from, from + 2_499))
      const reader = await log.read(STREAM, 0, 0)
      const sizes: number[] = []
      const messages: LogMessage[] = []
      while (messages.length < total) {
        const batch = reader.poll()
        if (batch === undefined) await inTime(reader.ready(), 'a batch')
        else {
          sizes.push(batch.messages.length)
          messages.push(...batch.messages)
        }
      }
      expect(Math.max(...sizes)).toBeLessThanOrEqual(4_096)
      expect(messages.every(({ sequence }, index) => sequence === index + 1)).toBe(true)
      await reader.close()
    })

    it('gives each of several readers everything', async () => {
      await append(texts(1, 3))
      const readers = await Promise.all([0, 0, 2].map((after) => log.read(STREAM, 0, after)))
      const reading = readers.map((reader, index) => readMessages(reader, index === 2 ? 3 : 5))
      await append(texts(4, 5))
      const read = await Promise.all(reading)
      expect(read.map((messages) => messages.map(textOf))).toEqual([
        texts(1, 5),
        texts(1, 5),
        texts(3, 5),
      ])
      await Promise.all(readers.map((reader) => reader.close()))
    })

    it('ends the wait of a reader that is closed', async () => {
      const reader = await log.read(STREAM, 0, 0)
      const waiting = reader.ready()
      await reader.close()
      await inTime(waiting, 'the end of the wait')
      expect(reader.poll()).toBeUndefined()
    })

    it('resolves every start to the sequence before its first message', async () => {
      for (let from = 1; from <= 9; from += 3) {
        await append(texts(from, from + 2))
        fixture.tick?.()
      }
      await fixture.purge(STREAM, 1)
      expect(await log.resolveStart(STREAM, 0, 'start')).toBe(1)
      expect(await log.resolveStart(STREAM, 0, 'now')).toBe(9)
      expect(await log.resolveStart(STREAM, 0, { after: 4 })).toBe(4)
      expect(await log.resolveStart(STREAM, 0, { time: 0 })).toBe(1)
      const times = new Map<number, number>()
      for (let sequence = 2; sequence <= 9; sequence++) {
        const message = await log.fetch(STREAM, 0, sequence)
        times.set(sequence, message?.time ?? Number.NaN)
      }
      for (const time of [...times.values()].flatMap((at) => [at, at + 1])) {
        const first = [...times].find(([, at]) => at >= time)?.[0] ?? 10
        expect(await log.resolveStart(STREAM, 0, { time })).toBe(first - 1)
      }
    })

    it('resolves every start of an empty stream to its beginning', async () => {
      for (const start of ['start', 'now', { after: 0 }, { time: 1 }] as const) {
        expect(await log.resolveStart(STREAM, 0, start)).toBe(0)
      }
    })

    it('refuses to read behind a place when the messages there were discarded (L3)', async () => {
      await append(texts(1, 10))
      await fixture.purge(STREAM, 5)
      await expect(readFrom(0, 1)).rejects.toThrow(DataLossError)
      await expect(readFrom(4, 1)).rejects.toThrow(/5\.\.5/)
      expect((await readFrom(5, 5)).map(textOf)).toEqual(texts(6, 10))
    })

    it('never passes over messages that are discarded while it reads (L3)', async () => {
      await append(texts(1, 3))
      const reader = await log.read(STREAM, 0, 0)
      await readMessages(reader, 3)
      await append(texts(4, 9))
      await fixture.purge(STREAM, 8)
      await append(texts(10, 10))
      const read: number[] = []
      const failure: unknown = await (async () => {
        while (read.at(-1) !== 10) {
          read.push(...(await readMessages(reader, 1)).map(({ sequence }) => sequence))
        }
      })().catch((error: unknown) => error)
      expect(read).toEqual(Array.from(read, (_, index) => index + 4))
      if (read.at(-1) !== 10) expect(failure).toBeInstanceOf(DataLossError)
      await reader.close()
    })

    it('tells a stream that was made again from its predecessor (L4)', async () => {
      await append(texts(1, 3))
      const before = await log.inspect(STREAM, 0)
      expect(await log.inspect(STREAM, 0)).toEqual(before)
      await fixture.recreate(STREAM)
      const after = await log.inspect(STREAM, 0)
      expect(after).toMatchObject({ first: 1, last: 0 })
      expect(after.created).not.toBe(before.created)
    })

    it('refuses to go on with a stream that was made again while it was read (L4)', async () => {
      await append(texts(1, 3))
      const reader = await log.read(STREAM, 0, 0)
      await readMessages(reader, 3)
      await fixture.recreate(STREAM)
      await append(texts(1, 6))
      await expect(readMessages(reader, 1)).rejects.toThrow(DataLossError)
      await reader.close()
    })

    it('says so when there is no such stream', async () => {
      const failure: unknown = await log.partitions('NONE').catch((error: unknown) => error)
      expect([ConfigError, UnavailableError].some((kind) => failure instanceof kind)).toBe(true)
      expect(String(failure)).toContain('NONE')
    })

    it('keeps partitions apart', async (context) => {
      context.skip(
        (fixture.partitionsMax ?? Infinity) < 3,
        'it has no streams of several partitions',
      )
      await fixture.create('PARTS', 3)
      expect(await log.partitions('PARTS')).toBe(3)
      await fixture.append('PARTS', 0, bytes(['a']))
      await fixture.append('PARTS', 2, bytes(['b', 'c']))
      expect(await log.inspect('PARTS', 0)).toMatchObject({ first: 1, last: 1 })
      expect(await log.inspect('PARTS', 1)).toMatchObject({ first: 1, last: 0 })
      expect(await log.inspect('PARTS', 2)).toMatchObject({ first: 1, last: 2 })
      const reader = await log.read('PARTS', 2, 0)
      expect((await readMessages(reader, 2)).map(textOf)).toEqual(['b', 'c'])
      await reader.close()
    })

    async function readFrom(after: number, count: number): Promise<LogMessage[]> {
      const reader = await log.read(STREAM, 0, after)
      try {
        return await readMessages(reader, count)
      } finally {
        await reader.close()
      }
    }
  })
}
