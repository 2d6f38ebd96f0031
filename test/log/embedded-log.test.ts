import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError, StateError } from '../../runtime/errors.ts'
import { rowKey, streamRange } from '../../runtime/log/embedded-keys.ts'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'
import { appendableConformance } from '../conformance/appendable-log-conformance.ts'
import { logConformance, readMessages } from '../conformance/log-conformance.ts'
import { ManualClock } from '../support/manual-clock.ts'

const some = (...list: readonly string[]): Uint8Array[] => list.map((text) => Buffer.from(text))
const newFolder = (): string => mkdtempSync(join(tmpdir(), 'millrace-log-'))

logConformance('EmbeddedLog', async () => {
  const folder = newFolder()
  const log = await EmbeddedLog.open(folder)
  return {
    log,
    create: (stream, partitions) => log.createStream(stream, { partitions }),
    async append(stream, partition, messages) {
      await log.append(stream, partition, messages)
    },
    purge: (stream, upTo) => log.purge(stream, 0, upTo),
    async recreate(stream) {
      const partitions = await log.partitions(stream)
      await log.deleteStream(stream)
      await log.createStream(stream, { partitions })
    },
    async close() {
      await log.close()
      rmSync(folder, { recursive: true })
    },
  }
})

appendableConformance('EmbeddedLog', async () => {
  const folder = newFolder()
  const clock = new ManualClock()
  const log = await EmbeddedLog.open(folder, { clock })
  return {
    log,
    clock,
    async close() {
      await log.close()
      rmSync(folder, { recursive: true })
    },
  }
})

describe('EmbeddedLog', () => {
  let folder: string
  beforeEach(() => {
    folder = newFolder()
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is the same after it was closed and opened', async () => {
    const first = await EmbeddedLog.open(folder)
    await first.createStream('s', { partitions: 2 })
    await first.append('s', 1, some('a', 'b'), { id: 'p', firstNumber: 1 })
    const { created } = await first.inspect('s', 1)
    await first.close()
    const second = await EmbeddedLog.open(folder)
    expect(await second.streams()).toEqual(['s'])
    expect(await second.inspect('s', 1)).toEqual({ created, first: 1, last: 2 })
    expect(await second.producerNumber('s', 1, 'p')).toBe(2)
    await second.close()
  })

  it('shares one environment with others of the process, however they name the folder', async () => {
    const link = join(folder, 'link')
    const real = join(folder, 'real')
    mkdirSync(real)
    symlinkSync(real, link)
    const one = await EmbeddedLog.open(real)
    const other = await EmbeddedLog.open(link)
    await one.createStream('s')
    const reader = await other.read('s', 0, 0)
    const reading = readMessages(reader, 1)
    await one.append('s', 0, some('a'))
    expect(await reading).toHaveLength(1)
    await one.close()
    await one.close()
    await other.append('s', 0, some('b'))
    expect(await readMessages(reader, 1)).toHaveLength(1)
    await other.close()
  })

  it('closes its readers, and their waits, when it is closed', async () => {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s')
    const reader = await log.read('s', 0, 0)
    const waiting = reader.ready()
    await log.close()
    await waiting
    expect(reader.poll()).toBeUndefined()
  })

  it('finishes the appends under way before it is closed', async () => {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s')
    const appending = log.append('s', 0, some('a'))
    await log.close()
    expect(await appending).toEqual({ last: 1 })
  })

  it('wakes a waiting reader at once, without any time going by', async () => {
    const clock = new ManualClock()
    const log = await EmbeddedLog.open(folder, { clock })
    await log.createStream('s')
    const reader = await log.read('s', 0, 0)
    const reading = readMessages(reader, 3)
    await log.append('s', 0, some('a'))
    await log.append('s', 0, some('b', 'c'))
    expect((await reading).map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    await log.close()
  })

  it('gives the messages of one append one time, even when the clock went back', async () => {
    const clock = new ManualClock(5_000)
    const log = await EmbeddedLog.open(folder, { clock })
    await log.createStream('s')
    await log.append('s', 0, some('a', 'b'))
    clock.advance(-2_000)
    await log.append('s', 0, some('c'))
    const reader = await log.read('s', 0, 0)
    expect((await readMessages(reader, 3)).map(({ time }) => time)).toEqual([5_000, 5_000, 5_000])
    await log.close()
  })

  it('appends to several partitions as one', async () => {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s', { partitions: 3 })
    const appends = [0, 2].map((partition) => ({ partition, messages: some('a', 'b') }))
    expect(await log.appendAll('s', appends)).toEqual([{ last: 2 }, { last: 2 }])
    const twice = [appends[0], appends[0]].flatMap((append) => append ?? [])
    await expect(log.appendAll('s', twice)).rejects.toThrow(ConfigError)
    await log.close()
  })

  it('refuses a stream that was made again, or deleted, before anything was read of it', async () => {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s')
    const reader = await log.read('s', 0, 0)
    const waiting = expect(reader.ready()).rejects.toThrow(/deleted/)
    await log.deleteStream('s')
    await waiting
    await log.createStream('s')
    const next = await log.read('s', 0, 0)
    await Promise.all([log.deleteStream('s'), log.createStream('s')])
    await log.append('s', 0, some('a'))
    await expect(next.ready()).rejects.toThrow(/made again/)
    await log.close()
  })

  it('names the streams that are there when one is not', async () => {
    const log = await EmbeddedLog.open(folder)
    await expect(log.partitions('s')).rejects.toThrow(/which holds no stream/)
    await log.createStream('ratings')
    await expect(log.partitions('rating')).rejects.toThrow(/which holds ratings; create it/)
    await log.close()
  })

  it('refuses a folder that cannot be one', async () => {
    copyFileSync(import.meta.filename, join(folder, 'file'))
    await expect(EmbeddedLog.open(join(folder, 'file'))).rejects.toThrow(StateError)
  })

  it('removes the rows of a deleted stream from the folder', async () => {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s')
    for (let count = 0; count < 5; count++) await log.append('s', 0, some('a'))
    await log.append('s', 0, some('a'), { id: 'p', firstNumber: 1 })
    await log.deleteStream('s')
    await log.close()
    expect(await withRows((root) => root.getKeysCount())).toBe(1)
  })

  describe('with a row that was changed behind its back', () => {
    const damage: Record<string, (row: Buffer) => Buffer> = {
      'a flipped bit': (row) => {
        row.writeUInt8(row.readUInt8(row.length - 1) ^ 4, row.length - 1)
        return row
      },
      'a missing end': (row) => row.subarray(0, row.length - 1),
      'nothing left': () => Buffer.alloc(0),
    }
    for (const [what, change] of Object.entries(damage)) {
      it(`says which row it is: ${what}`, async () => {
        await write(some('a', 'b'), some('c', 'd'), some('e'))
        await withRows(async (root) => {
          const key = Buffer.from(rowKey(1, 0, 4))
          await root.put(key, change(root.get(key) ?? Buffer.alloc(0)))
        })
        const log = await EmbeddedLog.open(folder)
        const reader = await log.read('ratings', 0, 0)
        await expect(readMessages(reader, 5)).rejects.toThrow(/ratings\/0.*row of message 4/)
        await expect(log.fetch('ratings', 0, 3)).rejects.toThrow(DataLossError)
        expect(await log.fetch('ratings', 0, 5)).toBeDefined()
        await log.close()
      })
    }

    it('finds a row that is missing', async () => {
      await write(some('a', 'b'), some('c', 'd'), some('e'))
      await withRows((root) => root.remove(Buffer.from(rowKey(1, 0, 4))))
      const log = await EmbeddedLog.open(folder)
      const reader = await log.read('ratings', 0, 0)
      expect(await readMessages(reader, 2)).toHaveLength(2)
      await expect(readMessages(reader, 1)).rejects.toThrow(/message 3 .* missing/)
      await log.close()
    })

    it('finds a row that lies in the place of another', async () => {
      await write(some('a', 'b'), some('c', 'd'), some('e'))
      await withRows(async (root) => {
        const row = root.get(Buffer.from(rowKey(1, 0, 2))) ?? Buffer.alloc(0)
        await root.put(Buffer.from(rowKey(1, 0, 4)), row)
      })
      const log = await EmbeddedLog.open(folder)
      await expect(log.fetch('ratings', 0, 3)).rejects.toThrow(/checksum/)
      await log.close()
    })

    it('does not take a damaged catalogue for an empty one', async () => {
      await write(some('a'))
      await withRows(async (root) => {
        for (const { key, value } of root.getRange({ ...streamRange, limit: 1 })) {
          await root.put(key, Buffer.from(value).fill(0, 0, 1))
        }
      })
      const log = await EmbeddedLog.open(folder)
      await expect(log.inspect('ratings', 0)).rejects.toThrow(DataLossError)
      await expect(log.createStream('ratings')).rejects.toThrow(DataLossError)
      await log.close()
    })
  })

  async function write(...appends: readonly Uint8Array[][]): Promise<void> {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('ratings')
    for (const messages of appends) await log.append('ratings', 0, messages)
    await log.close()
  }

  async function withRows<Result>(
    action: (root: ReturnType<typeof open<Buffer, Buffer>>) => Result,
  ): Promise<Awaited<Result>> {
    const root = open<Buffer, Buffer>({
      path: folder,
      noSubdir: false,
      keyEncoding: 'binary',
      encoding: 'binary',
    })
    const result = await action(root)
    await root.flushed
    await root.close()
    return result
  }
})
