/** Which part of a log a batch reads: by sequence, by the log's time, and up to now; and what is refused. */
import { beforeEach, describe, expect, it, test } from 'vitest'
import { ConfigError, DataLossError } from '../../runtime/errors.ts'
import type { LogEnd, LogStart } from '../../runtime/log/log.ts'
import { decodeJson } from '../../runtime/source/format/json.ts'
import { LogInput, type LogInputOptions } from '../../runtime/source/log-input.ts'
import { MemoryLog } from '../../runtime/testing/memory-log.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const T0 = 1_700_000_000_000
let clock: ManualClock
let log: MemoryLog

/** Ten messages 1 … 10, of the times T0, T0 + 10, … */
beforeEach(async () => {
  clock = new ManualClock(T0)
  log = new MemoryLog({ clock })
  await log.createStream('ratings')
  for (let n = 1; n <= 10; n++) await append(n)
})

/** One message, and then the clock goes on. */
async function append(n: number): Promise<void> {
  await log.append('ratings', 0, [Buffer.from(String(n))])
  clock.advance(10)
}

const inputOf = (options: Partial<LogInputOptions> = {}): LogInput =>
  new LogInput({
    id: 'ratings/0',
    log,
    stream: 'ratings',
    partition: 0,
    decode: decodeJson,
    clock,
    ...options,
  })

async function read(options: Partial<LogInputOptions>, position?: unknown): Promise<number[]> {
  const input = inputOf(options)
  await input.open(position)
  const values: unknown[] = []
  for (let polled = input.poll(); polled !== 'end'; polled = input.poll()) {
    if (polled === 'pending') throw new Error('a bounded input waits')
    values.push(...polled.values)
  }
  return values as number[]
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)

describe('a range', () => {
  test.each<[string, LogStart, LogEnd, number[]]>([
    ['everything up to now', 'start', 'now', numbers(1, 10)],
    ['sequences, both included', { after: 3 }, { through: 6 }, numbers(4, 6)],
    ['one message', { after: 3 }, { through: 4 }, [4]],
    ['times: the first included, the last not', { time: T0 + 20 }, { before: T0 + 50 }, [3, 4, 5]],
    ['times between messages', { time: T0 + 15 }, { before: T0 + 45 }, [3, 4, 5]],
    ['a time to a sequence', { time: T0 + 85 }, { through: 10 }, [10]],
    ['a sequence to a time', { after: 7 }, { before: T0 + 85 }, [8, 9]],
    ['nothing: one time', { time: T0 + 20 }, { before: T0 + 20 }, []],
    ['nothing: times without a message', { time: T0 + 21 }, { before: T0 + 29 }, []],
    ['nothing: before the first message', 'start', { before: T0 }, []],
    ['nothing: from now to now', 'now', 'now', []],
    ['the last one only', { after: 9 }, 'now', [10]],
    ['what came up to a moment ago', 'start', { before: T0 + 100 }, numbers(1, 10)],
  ])('is %s', async (_, from, to, values) => {
    expect(await read({ from, to })).toEqual(values)
  })

  it('ends where it was fixed before its first record, also after a restart', async () => {
    const range = { from: { time: T0 + 25 }, to: 'now' } as const
    const position = await inputOf(range).open(undefined)
    expect(position).toEqual({
      created: expect.any(String),
      sequence: 3,
      time: T0 + 20,
      crc: expect.any(Number),
      begin: 3,
      end: 10,
      asked: 'from 2023-11-14T22:13:20.025Z to now',
    })
    await append(11)
    expect(await read(range, JSON.parse(JSON.stringify(position)))).toEqual(numbers(4, 10))
  })

  it('knows how much of it was read', async () => {
    const range = { from: { after: 2 }, to: { through: 8 } } as const
    const input = inputOf(range)
    const position = await input.open(undefined)
    expect(input.extent).toEqual({ unit: 'messages', read: 0, total: 6 })
    input.poll()
    expect(input.extent).toEqual({ unit: 'messages', read: 6, total: 6 })
    const again = inputOf(range)
    await again.open({ ...position, sequence: 5, time: null, crc: null })
    expect(again.extent).toEqual({ unit: 'messages', read: 3, total: 6 })
  })

  it('that was read is done with, whatever became of the stream behind it', async () => {
    const input = inputOf({ to: { through: 4 } })
    await input.open(undefined)
    const batch = input.poll()
    if (typeof batch === 'string') throw new Error(batch)
    log.purge('ratings', 0, 8)
    expect(await read({ to: { through: 4 } }, batch.after)).toEqual([])
  })

  it('gives each value a place of its own to go on from', async () => {
    const range = { to: { through: 6 } } as const
    const input = inputOf(range)
    await input.open(undefined)
    const batch = input.poll()
    if (typeof batch === 'string') throw new Error(batch)
    for (let index = 0; index < 6; index++) {
      const position = batch.positionAfter?.(index)
      expect(await read(range, position)).toEqual(numbers(index + 2, 6))
    }
    expect(batch.positionAfter?.(5)).toEqual(batch.after)
  })

  it('is what a plain list says, for random messages, ranges and purges', async () => {
    const seed = newSeed()
    console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
    const random = randomFrom(seed)
    const upTo = (most: number): number => Math.floor(random() * (most + 1))
    for (let round = 0; round < 200; round++) {
      clock = new ManualClock(T0)
      log = new MemoryLog({ clock })
      await log.createStream('ratings')
      const times: number[] = []
      for (let n = 1; n <= upTo(12); n++) {
        await log.append('ratings', 0, [Buffer.from(String(n))])
        times.push(clock.now())
        clock.advance(upTo(3))
      }
      const purged = upTo(times.length)
      log.purge('ratings', 0, purged)
      clock.advance(1)
      const [begin, end] = [T0 + upTo(20), T0 + upTo(20)]
      const all = times.map((time, index) => ({ time, n: index + 1 }))
      const asked = all.filter(({ time }) => time >= begin && time < end).map(({ n }) => n)
      const found = await read({ from: { time: begin }, to: { before: end } }).catch(
        (error: unknown) => (error instanceof Error ? error.constructor : error),
      )
      // Only a retained message from before the beginning shows that nothing asked for is gone.
      const mayLack = purged > 0 && !((times[purged] ?? Number.POSITIVE_INFINITY) < begin)
      const isBackwards = all.some(({ time }) => time >= end && time < begin)
      if (begin > clock.now()) expect(found).toBe(ConfigError)
      else if (mayLack) expect(found).toBe(DataLossError)
      else if (end > clock.now() || isBackwards) expect(found).toBe(ConfigError)
      else expect(found).toEqual(asked)
    }
  })
})

describe('refused is', () => {
  test.each<[string, LogStart, LogEnd, RegExp]>([
    [
      'an end before the beginning',
      { after: 6 },
      { before: T0 + 30 },
      /ratings\/0 is to be read from sequence 7, which is behind sequence 6, to 2023-11-14T22:13:20.030Z, which is sequence 3/,
    ],
    ['an end before now', 'now', { through: 5 }, /from now, .* 10, to sequence 5, which is .* 5/],
    ['a beginning behind the end', { after: 11 }, 'now', /from sequence 12, and it ends at 10/],
    ['an end that is not there yet', 'start', { through: 11 }, /to sequence 11, and it ends at 10/],
    [
      'an end in the future',
      'start',
      { before: T0 + 101 },
      /T22:13:20.101Z, which is still to come/,
    ],
    ['a beginning in the future', { time: T0 + 101 }, 'now', /which is still to come/],
  ])('%s', async (_, from, to, message) => {
    const opening = inputOf({ from, to }).open(undefined)
    await expect(opening).rejects.toThrow(message)
    await expect(opening).rejects.toBeInstanceOf(ConfigError)
  })

  test.each<[string, LogStart]>([
    ['sequence', { after: 2 }],
    ['time', { time: T0 + 40 }],
  ])('a %s that the stream no longer holds', async (_, from) => {
    log.purge('ratings', 0, 5)
    const opening = inputOf({ from, to: 'now' }).open(undefined)
    await expect(opening).rejects.toThrow(
      /no longer holds that: the first that it retains is sequence 6, of 2023-11-14T22:13:20.050Z/,
    )
    await expect(opening).rejects.toBeInstanceOf(DataLossError)
    expect(await read({ from, to: 'now', onDataLoss: 'skip' })).toEqual(numbers(6, 10))
  })

  it('not a time from which on everything is there', async () => {
    log.purge('ratings', 0, 5)
    expect(await read({ from: { time: T0 + 51 }, to: 'now' })).toEqual(numbers(7, 10))
    log.purge('ratings', 0, 10)
    const opening = inputOf({ from: { time: T0 }, to: 'now' }).open(undefined)
    await expect(opening).rejects.toThrow(/it retains none of its 10 messages/)
  })

  it('another range than the one a killed batch had', async () => {
    const position = await inputOf({ to: { through: 5 } }).open(undefined)
    await expect(inputOf({ to: { through: 6 } }).open(position)).rejects.toThrow(
      /is of a batch from start to sequence 5, which ends with sequence 5, and you ask for one from start to sequence 6/,
    )
    expect(await read({ to: { through: 5 } }, position)).toEqual(numbers(1, 5))
  })

  it('an end before what a live job has read already', async () => {
    const live = inputOf()
    await live.open(undefined)
    const batch = live.poll()
    if (typeof batch === 'string') throw new Error(batch)
    const late = inputOf({ to: { through: 5 } }).open(batch.after)
    await expect(late).rejects.toThrow(
      /from where this state stands, .* sequence 10, to sequence 5/,
    )
  })
})
