import { beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError, StateError, UnavailableError } from '../../runtime/errors.ts'
import type { Log, LogBatch, LogReader } from '../../runtime/log/log.ts'
import { decodeJson } from '../../runtime/source/format/json.ts'
import { LogInput, type LogInputOptions } from '../../runtime/source/log-input.ts'
import type { LogPosition } from '../../runtime/source/log-position.ts'
import { logSource } from '../../runtime/source/log-source.ts'
import { type SourceBatch, Undecodable } from '../../runtime/source/source.ts'
import { MemoryLog } from '../../runtime/testing/memory-log.ts'
import { ManualClock } from '../support/manual-clock.ts'

let clock: ManualClock
let log: MemoryLog
let told: string[]

beforeEach(async () => {
  clock = new ManualClock()
  log = new MemoryLog({ clock })
  told = []
  await log.createStream('ratings')
})

const append = async (...values: readonly unknown[]): Promise<void> => {
  await log.append(
    'ratings',
    0,
    values.map((value) => Buffer.from(JSON.stringify(value))),
  )
}

const inputOf = (options: Partial<LogInputOptions> = {}): LogInput =>
  new LogInput({
    id: 'ratings/0',
    log,
    stream: 'ratings',
    partition: 0,
    decode: decodeJson,
    clock,
    onRetry: (message) => told.push(message),
    onSkip: (message) => told.push(message),
    ...options,
  })

function batchOf(input: LogInput): SourceBatch {
  const batch = input.poll()
  if (typeof batch === 'string') throw new Error(`there is no batch: ${batch}`)
  return batch
}

/** Opens, reads what is there, and gives where the input then is. */
async function readAll(options: Partial<LogInputOptions> = {}): Promise<LogPosition> {
  const input = inputOf(options)
  await input.open(undefined)
  const { after } = batchOf(input)
  await input.close()
  return after as LogPosition
}

describe('LogInput', () => {
  it('decodes messages, with their times, places and bytes', async () => {
    await append({ a: 1 }, { a: 2 })
    clock.advance(5)
    await log.append('ratings', 0, [Buffer.from('{')])
    const input = inputOf()
    await input.open(undefined)
    const batch = batchOf(input)
    const { values, times } = batch
    expect(values.slice(0, 2)).toEqual([{ a: 1 }, { a: 2 }])
    expect(values[2]).toBeInstanceOf(Undecodable)
    const now = clock.now()
    expect(times).toEqual(Float64Array.of(now - 5, now - 5, now))
    expect(batch.placeOf(2)).toBe('ratings/0 @ 3')
    expect(Buffer.from(batch.bytesOf(0)).toString()).toBe('{"a":1}')
    expect(input.poll()).toBe('pending')
  })

  it('goes on right behind a position', async () => {
    await append(1, 2, 3)
    const position = await readAll()
    await append(4, 5)
    const input = inputOf()
    expect(await input.open(JSON.parse(JSON.stringify(position)))).toEqual(position)
    expect(batchOf(input).values).toEqual([4, 5])
  })

  it('waits for what is to come', async () => {
    const input = inputOf()
    await input.open(undefined)
    expect(input.hasBacklog).toBe(false)
    const waiting = input.ready()
    await append(1)
    await waiting
    expect(input.hasBacklog).toBe(true)
    expect(batchOf(input).values).toEqual([1])
  })

  it('starts where it is told to, and says where that is', async () => {
    await append(1, 2)
    clock.advance(10)
    await append(3)
    const cases = [
      ['start', 0, [1, 2, 3]],
      ['now', 3, []],
      [{ after: 1 }, 1, [2, 3]],
      [{ time: clock.now() }, 2, [3]],
    ] as const
    for (const [from, sequence, values] of cases) {
      const input = inputOf({ from })
      expect(await input.open(undefined)).toMatchObject({ sequence })
      const batch = input.poll()
      expect(typeof batch === 'string' ? [] : batch.values).toEqual(values)
    }
  })

  it("keeps the place of 'now' after a crash before the first record", async () => {
    await append(1)
    const position = await inputOf({ from: 'now' }).open(undefined)
    await append(2)
    const input = inputOf({ from: 'now' })
    await input.open(position)
    expect(batchOf(input).values).toEqual([2])
  })

  it('refuses to start behind the end', async () => {
    await append(1)
    await expect(inputOf({ from: { after: 2 } }).open(undefined)).rejects.toThrow(ConfigError)
  })

  it('refuses to start where messages were discarded', async () => {
    await append(1, 2, 3)
    log.purge('ratings', 0, 2)
    await expect(inputOf({ from: { after: 1 } }).open(undefined)).rejects.toThrow(DataLossError)
  })

  it('refuses a stream that is not there', async () => {
    await expect(inputOf({ stream: 'clicks' }).open(undefined)).rejects.toThrow(/'clicks'/)
  })

  it('refuses a position of something else', async () => {
    await append(1)
    for (const position of [null, 7, { offset: 12 }, { created: 'a', sequence: 'b' }]) {
      await expect(inputOf().open(position)).rejects.toThrow(StateError)
    }
  })
})

describe('LogInput with an end', () => {
  const to = 'now'

  it('is over at the end it found when it was opened', async () => {
    await append(1, 2, 3)
    const input = inputOf({ to })
    expect(await input.open(undefined)).toMatchObject({ sequence: 0, end: 3 })
    await append(4)
    expect(batchOf(input).values).toEqual([1, 2, 3])
    expect(input.poll()).toBe('end')
    expect(input.hasBacklog).toBe(false)
    await input.ready()
  })

  it('keeps that end after a crash', async () => {
    await append(1, 2, 3)
    const position = await inputOf({ to }).open(undefined)
    await append(4, 5)
    const input = inputOf({ to })
    await input.open(position)
    const batch = batchOf(input)
    expect(batch.values).toEqual([1, 2, 3])
    expect(input.poll()).toBe('end')
    const again = inputOf({ to })
    await again.open(batch.after)
    expect(again.poll()).toBe('end')
  })

  it('is over at once on an empty stream, and on one whose messages are all discarded', async () => {
    const empty = inputOf({ to })
    await empty.open(undefined)
    expect(empty.poll()).toBe('end')
    await append(1, 2)
    log.purge('ratings', 0, 2)
    const purged = inputOf({ to })
    await purged.open(undefined)
    expect(purged.poll()).toBe('end')
  })

  it('goes on live from exactly there', async () => {
    await append(1, 2)
    const position = await readAll({ to })
    await append(3)
    const live = inputOf()
    expect(await live.open(position)).not.toHaveProperty('end')
    expect(batchOf(live).values).toEqual([3])
  })

  it('is over when the messages at its end were deleted one by one', async () => {
    await append(1, 2, 3, 4)
    // A log that allows holes: only 1 and 3 are left, and it says so.
    const messages = await Promise.all([1, 3].map((at) => log.fetch('ratings', 0, at)))
    const batches: LogBatch[] = [
      { messages: messages.flatMap((message) => message ?? []), through: 3 },
      { messages: [], through: 4 },
    ]
    const input = inputOf({ log: withReader(log, batches), to })
    await input.open(undefined)
    expect(batchOf(input).values).toEqual([1, 3])
    expect(input.poll()).toBe('end')
  })
})

/** What can happen to a stream between two runs of a job that has read 1 to 5, and what is left then. */
const LOSSES: Record<
  string,
  {
    lose: () => Promise<void>
    says: RegExp
    left: readonly unknown[]
    skipped: number
    /** Only the fingerprint shows it, which is looked at when the input is opened. */
    hidden?: true
  }
> = {
  'was made again, empty': {
    lose: () => log.recreate('ratings'),
    says: /deleted and made again: this job read its predecessor up to 5/,
    left: [],
    skipped: 1,
  },
  'was made again and filled further than before': {
    async lose() {
      await log.recreate('ratings')
      await append('a', 'b', 'c', 'd', 'e', 'f', 'g')
    },
    says: /deleted and made again/,
    left: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    skipped: 1,
  },
  'lost its end': {
    async lose() {
      log.loseTail('ratings', 0, 3)
    },
    says: /ends at 3, but this job already read up to 5/,
    left: [1, 2, 3],
    skipped: 2,
  },
  'lost its end and was filled again': {
    async lose() {
      log.loseTail('ratings', 0, 3)
      await append('d', 'e', 'f')
    },
    says: /message 5 of stream ratings\/0 is not the one/,
    left: [1, 2, 3, 'd', 'e', 'f'],
    skipped: 1,
    hidden: true,
  },
  'was filled again with the same bytes at another time': {
    async lose() {
      log.loseTail('ratings', 0, 3)
      clock.advance(1_000)
      await append(4, 5)
    },
    says: /message 5 of stream ratings\/0 is not the one/,
    left: [1, 2, 3, 4, 5],
    skipped: 1,
    hidden: true,
  },
  'lost messages that were not read': {
    async lose() {
      await append(6, 7, 8, 9)
      log.purge('ratings', 0, 8)
    },
    says: /messages 6\.\.8 of stream ratings\/0 were discarded/,
    left: [9],
    skipped: 3,
  },
}

describe('LogInput on a stream that is no longer what it was (I8)', () => {
  for (const [what, { lose, says, left, skipped, hidden }] of Object.entries(LOSSES)) {
    it(`refuses one that ${what}`, async () => {
      await append(1, 2, 3, 4, 5)
      const position = await readAll()
      await lose()
      const failure: unknown = await inputOf()
        .open(position)
        .catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(DataLossError)
      expect(String(failure)).toMatch(says)
    })

    it(`counts the loss of one that ${what}, and goes on at the oldest, when told to skip`, async () => {
      await append(1, 2, 3, 4, 5)
      const position = await readAll()
      await lose()
      const input = inputOf({ onDataLoss: 'skip' })
      await input.open(position)
      expect(input.skipped).toBe(skipped)
      expect(told.join()).toMatch(says)
      const batch = input.poll()
      expect(typeof batch === 'string' ? [] : batch.values).toEqual(left)
    })

    if (hidden) continue

    it(`finds that it ${what} while it reads`, async () => {
      await append(1, 2, 3, 4, 5)
      const input = inputOf()
      await input.open(undefined)
      batchOf(input)
      await lose()
      await expect(input.ready()).rejects.toThrow(says)
      expect(input.poll()).toBe('pending')
    })

    it(`goes on when it ${what} while it reads, when told to skip`, async () => {
      await append(1, 2, 3, 4, 5)
      const input = inputOf({ onDataLoss: 'skip' })
      await input.open(undefined)
      batchOf(input)
      await lose()
      if (left.length === 0) void input.ready()
      else await input.ready()
      await clock.breathe()
      expect(input.skipped).toBe(skipped)
      const batch = input.poll()
      expect(typeof batch === 'string' ? [] : batch.values).toEqual(left)
      await input.close()
    })
  }

  it('accepts a stream of which everything that was read is discarded, and nothing more', async () => {
    await append(1, 2, 3, 4, 5)
    const position = await readAll()
    await append(6)
    log.purge('ratings', 0, 5)
    const input = inputOf()
    await input.open(position)
    expect(batchOf(input).values).toEqual([6])
  })

  it('checks the message before a start that was not at the beginning', async () => {
    await append(1, 2, 3)
    const position = await inputOf({ from: 'now' }).open(undefined)
    log.loseTail('ratings', 0, 2)
    await append('other')
    await expect(inputOf().open(position)).rejects.toThrow(/message 3 .* is not the one/)
  })

  it('fixes another end when the stream it had the end of is gone', async () => {
    await append(1, 2, 3)
    const position = await inputOf({ to: 'now' }).open(undefined)
    await log.recreate('ratings')
    await append('a')
    const input = inputOf({ to: 'now', onDataLoss: 'skip' })
    expect(await input.open(position)).toMatchObject({ end: 1 })
    expect(batchOf(input).values).toEqual(['a'])
    expect(input.poll()).toBe('end')
  })

  it('does not wait for an end that the log has lost: at a start', async () => {
    await append(1, 2, 3)
    const position = await inputOf({ to: 'now' }).open(undefined)
    log.loseTail('ratings', 0, 2)
    const says = /ends at 2, but had messages up to 3 when this job began to read it/
    await expect(inputOf({ to: 'now' }).open(position)).rejects.toThrow(says)
    const skipping = inputOf({ to: 'now', onDataLoss: 'skip' })
    expect(await skipping.open(position)).toMatchObject({ sequence: 0, end: 2 })
    expect(skipping.skipped).toBe(1)
    expect(told.at(-1)).toMatch(says)
    expect(batchOf(skipping).values).toEqual([1, 2])
    expect(skipping.poll()).toBe('end')
  })

  it('does not wait for an end that the log has lost: while it reads', async () => {
    await append(1, 2, 3)
    const refusing = inputOf({ to: 'now' })
    const skipping = inputOf({ to: 'now', onDataLoss: 'skip' })
    await refusing.open(undefined)
    await skipping.open(undefined)
    log.loseTail('ratings', 0, 2)
    await expect(refusing.ready()).rejects.toThrow(/ends at 2, but had messages up to 3/)
    await skipping.ready()
    expect(batchOf(skipping).values).toEqual([1, 2])
    expect(skipping.poll()).toBe('end')
    expect(skipping.skipped).toBe(1)
  })
})

describe('LogInput on a log that is away', () => {
  it('waits, longer each time, and goes on when the log is back', async () => {
    await append(1)
    const input = inputOf()
    await input.open(undefined)
    batchOf(input)
    log.goAway()
    const waiting = input.ready()
    for (const delayMs of [50, 100, 200]) {
      await clock.breathe()
      expect(told.at(-1)).toContain(`away, trying again in ${delayMs} ms`)
      clock.advance(delayMs)
    }
    log.comeBack()
    await append(2)
    await clock.breathe()
    clock.advance(400)
    await waiting
    expect(batchOf(input).values).toEqual([2])
  })

  it('checks the stream again when the log is back', async () => {
    await append(1, 2)
    const input = inputOf()
    await input.open(undefined)
    batchOf(input)
    log.goAway()
    const waiting = input.ready()
    await clock.breathe()
    log.loseTail('ratings', 0, 1)
    log.comeBack()
    await append('other')
    clock.advance(50)
    await expect(waiting).rejects.toThrow(/message 2 .* is not the one/)
  })

  it('opens when the log comes', async () => {
    await append(1)
    log.goAway()
    const input = inputOf()
    const opening = input.open(undefined)
    await clock.breathe()
    expect(told).toHaveLength(1)
    log.comeBack()
    clock.advance(50)
    expect(await opening).toMatchObject({ sequence: 0 })
  })

  it('stops waiting when it is closed', async () => {
    const input = inputOf()
    await input.open(undefined)
    log.goAway()
    const waiting = input.ready()
    await clock.breathe()
    await input.close()
    await waiting
    const opening = inputOf()
    const failed = opening.open(undefined)
    await clock.breathe()
    await opening.close()
    await expect(failed).rejects.toThrow(UnavailableError)
    expect(clock.waiting).toBe(0)
  })
})

describe('logSource', () => {
  it('makes an input of each partition', async () => {
    await log.createStream('clicks', { partitions: 3 })
    await log.append('clicks', 2, [Buffer.from('7')])
    const source = logSource({ log, stream: 'clicks', name: 'clicked', decode: decodeJson, clock })
    const inputs = await source.inputs()
    expect(inputs.map(({ id }) => id)).toEqual(['clicked/0', 'clicked/1', 'clicked/2'])
    const last = inputs[2]
    await last?.open(undefined)
    expect(last?.poll()).toMatchObject({ values: [7] })
  })

  it('waits for a log that is away', async () => {
    log.goAway()
    const source = logSource({
      log,
      stream: 'ratings',
      name: 'ratings',
      decode: decodeJson,
      clock,
      onRetry: (message) => told.push(message),
    })
    const making = source.inputs()
    await clock.breathe()
    expect(told).toHaveLength(1)
    log.comeBack()
    clock.advance(50)
    expect(await making).toHaveLength(1)
  })
})

/** A log with another reader. */
function withReader(of: Log, batches: LogBatch[]): Log {
  const reader: LogReader = {
    poll: () => batches.shift(),
    ready: async () => {},
    close: async () => {},
  }
  return {
    partitions: (stream) => of.partitions(stream),
    inspect: (stream, partition) => of.inspect(stream, partition),
    fetch: (stream, partition, sequence) => of.fetch(stream, partition, sequence),
    resolveStart: (stream, partition, start) => of.resolveStart(stream, partition, start),
    read: async () => reader,
    close: () => of.close(),
  }
}
