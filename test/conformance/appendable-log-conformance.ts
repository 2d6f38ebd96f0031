/** What every log that this runtime writes itself keeps (AppendableLog). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError } from '../../runtime/errors.ts'
import type { AppendableLog } from '../../runtime/log/appendable-log.ts'
import type { ManualClock } from '../support/manual-clock.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { readMessages } from './log-conformance.ts'

export interface AppendableFixture {
  readonly log: AppendableLog
  /** The clock of the log. */
  readonly clock: ManualClock
  close(): Promise<void>
}

const some = (...list: readonly string[]): Uint8Array[] => list.map((text) => Buffer.from(text))

export function appendableConformance(name: string, make: () => Promise<AppendableFixture>): void {
  describe(`${name} as a log that is appended to`, () => {
    let fixture: AppendableFixture
    let log: AppendableLog

    beforeEach(async () => {
      fixture = await make()
      log = fixture.log
    })
    afterEach(async () => fixture.close())

    it('makes a stream once and refuses another number of partitions', async () => {
      await log.createStream('s', { partitions: 2 })
      const { created } = await log.inspect('s', 1)
      await log.createStream('s', { partitions: 2 })
      await log.createStream('s')
      expect((await log.inspect('s', 1)).created).toBe(created)
      await expect(log.createStream('s', { partitions: 3 })).rejects.toThrow(/has 2 partitions/)
    })

    it('takes any text of up to 200 bytes as a name', async () => {
      for (const stream of ['a/b', 'ü.*>', ' ', '\u0000', 'x'.repeat(200)]) {
        await log.createStream(stream)
        await log.append(stream, 0, some(stream))
        expect(await log.inspect(stream, 0)).toMatchObject({ last: 1 })
      }
      for (const stream of ['', 'x'.repeat(201), 'ü'.repeat(101), '\ud800']) {
        await expect(log.createStream(stream)).rejects.toThrow(ConfigError)
      }
    })

    it('refuses options that no stream can have', async () => {
      await expect(log.createStream('s', { partitions: 0 })).rejects.toThrow(ConfigError)
      await expect(log.createStream('s', { retention: { ageMs: 0 } })).rejects.toThrow(ConfigError)
      await expect(log.createStream('s', { retention: { bytes: 1.5 } })).rejects.toThrow(
        ConfigError,
      )
    })

    it('removes a stream with its messages and producers', async () => {
      await log.createStream('s')
      await log.append('s', 0, some('a'), { id: 'p', firstNumber: 1 })
      await log.deleteStream('s')
      await log.deleteStream('s')
      await expect(log.inspect('s', 0)).rejects.toThrow(ConfigError)
      await log.createStream('s')
      expect(await log.inspect('s', 0)).toMatchObject({ first: 1, last: 0 })
      expect(await log.producerNumber('s', 0, 'p')).toBe(0)
    })

    it('tells who appends where the partition ends', async () => {
      await log.createStream('s')
      expect(await log.append('s', 0, some('a', 'b'))).toEqual({ last: 2 })
      expect(await log.append('s', 0, [])).toEqual({ last: 2 })
      expect(await log.append('s', 0, some('c'))).toEqual({ last: 3 })
    })

    it('refuses streams and partitions that are not there', async () => {
      await log.createStream('s')
      await expect(log.append('t', 0, some('a'))).rejects.toThrow(/no stream 't'/)
      await expect(log.append('s', 1, some('a'))).rejects.toThrow(ConfigError)
      await expect(log.read('s', -1, 0)).rejects.toThrow(ConfigError)
    })

    it('drops what a producer appended before, wholly or in part', async () => {
      await log.createStream('s')
      await log.append('s', 0, some('1', '2', '3'), { id: 'p', firstNumber: 1 })
      expect(await log.append('s', 0, some('2', '3'), { id: 'p', firstNumber: 2 })).toEqual({
        last: 3,
      })
      await log.append('s', 0, some('3', '4'), { id: 'p', firstNumber: 3 })
      await log.append('s', 0, some('1'), { id: 'q', firstNumber: 1 })
      expect(await log.producerNumber('s', 0, 'p')).toBe(4)
      expect(await log.producerNumber('s', 0, 'q')).toBe(1)
      expect(await contents('s')).toEqual(['1', '2', '3', '4', '1'])
    })

    it('refuses a producer that leaves a hole, and takes nothing of that append', async () => {
      await log.createStream('s', { partitions: 2 })
      await log.append('s', 0, some('1'), { id: 'p', firstNumber: 1 })
      await expect(log.append('s', 0, some('3'), { id: 'p', firstNumber: 3 })).rejects.toThrow(
        DataLossError,
      )
      const both = [
        { partition: 1, messages: some('x') },
        { partition: 0, messages: some('3'), producer: { id: 'p', firstNumber: 3 } },
      ]
      await expect(log.appendAll('s', both)).rejects.toThrow(DataLossError)
      expect(await log.inspect('s', 1)).toMatchObject({ last: 0 })
      expect(await contents('s')).toEqual(['1'])
    })

    it('keeps a failed append from others that come at the same time', async () => {
      await log.createStream('s')
      const results = await Promise.allSettled([
        log.append('s', 0, some('1'), { id: 'p', firstNumber: 1 }),
        log.append('s', 0, some('9'), { id: 'p', firstNumber: 9 }),
        log.append('s', 0, some('2'), { id: 'p', firstNumber: 2 }),
      ])
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(await contents('s')).toEqual(['1', '2'])
    })

    it('discards what is too old when something is appended, and keeps counting', async () => {
      await log.createStream('s', { retention: { ageMs: 1_000 } })
      await log.append('s', 0, some('a', 'b'))
      fixture.clock.advance(800)
      await log.append('s', 0, some('c'))
      fixture.clock.advance(800)
      expect(await log.inspect('s', 0)).toMatchObject({ first: 1, last: 3 })
      await log.append('s', 0, some('d'))
      expect(await log.inspect('s', 0)).toMatchObject({ first: 3, last: 4 })
      fixture.clock.advance(5_000)
      await log.append('s', 0, some('e'))
      expect(await log.inspect('s', 0)).toMatchObject({ first: 5, last: 5 })
    })

    it('discards the oldest of what is too much, and never the newest', async () => {
      await log.createStream('s', { retention: { bytes: 3_000 } })
      for (let count = 0; count < 10; count++) {
        await log.append('s', 0, [Buffer.alloc(900, count)])
      }
      const { first, last } = await log.inspect('s', 0)
      expect(last).toBe(10)
      expect(first).toBeGreaterThanOrEqual(8)
      await log.append('s', 0, [Buffer.alloc(5_000)])
      expect(await log.inspect('s', 0)).toMatchObject({ first: 11, last: 11 })
    })

    it('takes a message of 10 MB beside small ones', async () => {
      await log.createStream('s')
      const large = Buffer.alloc(10 * 1024 * 1024, 'large')
      await log.append('s', 0, [Buffer.from('a'), large, Buffer.from('b')])
      const reader = await log.read('s', 0, 0)
      const read = await readMessages(reader, 3)
      expect(read.map(({ data }) => data.length)).toEqual([1, large.length, 1])
      expect(Buffer.compare(read[1]?.data ?? Buffer.alloc(0), large)).toBe(0)
      await reader.close()
    })

    it('agrees with plain arrays whatever is done to it', async () => {
      const seed = newSeed()
      const random = randomFrom(seed)
      const below = (limit: number): number => Math.floor(random() * limit)
      const oracle: string[][] = [[], []]
      const numbers = [0, 0]
      await log.createStream('s', { partitions: 2 })
      for (let step = 0; step < 120; step++) {
        const partition = below(2)
        const known = oracle[partition] ?? []
        const messages = Array.from({ length: below(step % 10 === 0 ? 2_500 : 8) }, () =>
          String(below(1e9)).repeat(below(4)),
        )
        if (random() < 0.5) {
          await log.append('s', partition, some(...messages))
          known.push(...messages)
        } else {
          // The last messages of the producer come again in front of the new ones.
          const number = numbers[partition] ?? 0
          const again = Math.min(number, below(3))
          const sent = [...Array.from({ length: again }, () => 'again'), ...messages]
          const producer = { id: 'p', firstNumber: number + 1 - again }
          await log.append('s', partition, some(...sent), producer)
          known.push(...messages)
          numbers[partition] = number + messages.length
        }
        fixture.clock.advance(below(3))
        const place = below(known.length + 2)
        const found = await log.fetch('s', partition, place)
        expect(found && Buffer.from(found.data).toString(), `seed ${seed}, step ${step}`).toBe(
          known[place - 1],
        )
      }
      for (const [partition, known] of oracle.entries()) {
        const after = below(known.length)
        expect(await contents('s', partition, after), `seed ${seed}`).toEqual(known.slice(after))
        expect(await log.producerNumber('s', partition, 'p'), `seed ${seed}`).toBe(
          numbers[partition],
        )
      }
    })

    async function contents(stream: string, partition = 0, after = 0): Promise<string[]> {
      const { last } = await log.inspect(stream, partition)
      const reader = await log.read(stream, partition, after)
      const read = await readMessages(reader, last - after)
      await reader.close()
      return read.map(({ data }) => Buffer.from(data).toString())
    }
  })
}
