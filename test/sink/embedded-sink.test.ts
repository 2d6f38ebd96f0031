import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError, UnavailableError } from '../../runtime/errors.ts'
import type { AppendableLog } from '../../runtime/log/appendable-log.ts'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'
import { EmbeddedSink } from '../../runtime/sink/embedded-sink.ts'
import { MemoryLog } from '../../runtime/testing/memory-log.ts'
import { readMessages } from '../conformance/log-conformance.ts'
import { sinkConformance } from '../conformance/sink-conformance.ts'
import { ownerOf, results, rowsOf } from '../support/outbox-rows.ts'
import { encoded } from '../support/encoded.ts'

async function contentsOf(log: AppendableLog, stream: string, partition = 0): Promise<string[]> {
  const { first, last } = await log.inspect(stream, partition)
  const reader = await log.read(stream, partition, first - 1)
  const messages = await readMessages(reader, last - first + 1)
  await reader.close()
  return messages.map(({ data }) => Buffer.from(data).toString())
}

sinkConformance('EmbeddedSink', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sink-'))
  const log = await EmbeddedLog.open(folder)
  return {
    open: () => new EmbeddedSink({ log, stream: 'results' }),
    contents: () => contentsOf(log, 'results'),
    async close() {
      await log.close()
      rmSync(folder, { recursive: true })
    },
  }
})

sinkConformance('EmbeddedSink on a log in memory', async () => {
  const log = new MemoryLog()
  return {
    open: () => new EmbeddedSink({ log, stream: 'results' }),
    contents: () => contentsOf(log, 'results'),
    close: () => log.close(),
  }
})

describe('EmbeddedSink', () => {
  let log: MemoryLog
  const owner = ownerOf('run-1')
  const newSink = (partition = 0): EmbeddedSink =>
    new EmbeddedSink({ log, stream: 'out', partition })

  beforeEach(() => {
    log = new MemoryLog()
  })

  it('makes the stream as it is told, when it is not there', async () => {
    const create = { partitions: 3, retention: { ageMs: 1_000 } }
    const sink = new EmbeddedSink({ log, stream: 'out', partition: 2, create })
    const { number, memo } = await sink.open(owner, undefined)
    expect(number).toBe(0)
    const { created } = await log.inspect('out', 2)
    expect(memo).toEqual({ stream: 'out', partition: 2, created })
    expect(await log.partitions('out')).toBe(3)
  })

  it('uses a stream that is there, with what others wrote', async () => {
    await log.createStream('out', { partitions: 2 })
    await log.append('out', 1, [Buffer.from('of another')])
    const sink = newSink(1)
    await sink.open(owner, undefined)
    expect((await sink.deliver(rowsOf(1, 15))).number).toBe(15)
    expect(await contentsOf(log, 'out', 1)).toEqual(['of another', ...results(1, 15)])
  })

  it('adopts what was appended and not acknowledged before a crash', async () => {
    const before = newSink()
    const opened = await before.open(owner, undefined)
    await before.deliver(rowsOf(1, 20))
    // The acknowledgement of the second delivery is lost with the process.
    await before.deliver(rowsOf(21, 30))
    const after = newSink()
    expect((await after.open(owner, opened)).number).toBe(30)
    await after.deliver(rowsOf(31, 32))
    expect(await contentsOf(log, 'out')).toEqual(results(1, 32))
  })

  it('does not append twice what is delivered twice', async () => {
    const sink = newSink()
    await sink.open(owner, undefined)
    await sink.deliver(rowsOf(1, 10))
    expect((await sink.deliver(rowsOf(1, 20))).number).toBe(20)
    expect(await contentsOf(log, 'out')).toEqual(results(1, 20))
  })

  it('keeps runs, tasks and destinations apart, whatever is in their names', async () => {
    const owners = [
      owner,
      { ...owner, run: 'run-2' },
      { ...owner, task: '0/a', destination: 'b' },
      { ...owner, task: '0', destination: 'a/b' },
    ]
    for (const each of owners) {
      const sink = newSink()
      expect((await sink.open(each, undefined)).number).toBe(0)
      await sink.deliver(rowsOf(1, 1))
    }
    expect(await contentsOf(log, 'out')).toEqual(['r1', 'r1', 'r1', 'r1'])
  })

  it('refuses a stream that lost what it had acknowledged', async () => {
    const taken = await deliverSome()
    log.setProducerNumber('out', 0, 'run-1/latest%20rating/0/latest', 7)
    await expect(newSink().open(owner, taken)).rejects.toThrow(
      /stream out has 7 messages of this job, and confirmed 10/,
    )
  })

  it('refuses a stream that was made again', async () => {
    const taken = await deliverSome()
    await log.recreate('out')
    await expect(newSink().open(owner, taken)).rejects.toThrow(/deleted and made again/)
  })

  it('refuses a stream that is gone, and does not make another one', async () => {
    const taken = await deliverSome()
    await log.deleteStream('out')
    await expect(newSink().open(owner, taken)).rejects.toThrow(DataLossError)
    await expect(log.inspect('out', 0)).rejects.toThrow(ConfigError)
  })

  it('refuses a stream that has more of this run than the state ever made', async () => {
    const taken = await deliverSome()
    expect((await newSink().open(ownerOf('run-1', 10), taken)).number).toBe(10)
    await expect(newSink().open(ownerOf('run-1', 9), { ...taken, number: 9 })).rejects.toThrow(
      /went back to an older copy/,
    )
  })

  it('refuses to write elsewhere than its state did', async () => {
    const taken = await deliverSome()
    await log.createStream('other')
    const other = new EmbeddedSink({ log, stream: 'other' })
    await expect(other.open(owner, taken)).rejects.toThrow(ConfigError)
  })

  it('refuses rows behind a stream that was made again while it was open', async () => {
    const sink = newSink()
    await sink.open(owner, undefined)
    await sink.deliver(rowsOf(1, 10))
    await log.recreate('out')
    await expect(sink.deliver(rowsOf(11, 20))).rejects.toThrow(DataLossError)
  })

  it('says that the log is away, and goes on when it is back', async () => {
    const sink = newSink()
    const opened = await sink.open(owner, undefined)
    log.goAway()
    await expect(sink.deliver(rowsOf(1, 10))).rejects.toThrow(UnavailableError)
    await sink.close()
    await expect(sink.open(owner, opened)).rejects.toThrow(UnavailableError)
    log.comeBack()
    expect((await sink.open(owner, opened)).number).toBe(0)
    await sink.deliver(rowsOf(1, 10))
    expect(await contentsOf(log, 'out')).toEqual(results(1, 10))
  })

  it('encodes results as JSON text', () => {
    expect(encoded(newSink(), { a: 1, b: 'ü' })).toBe('{"a":1,"b":"ü"}')
  })

  async function deliverSome(): Promise<{ readonly number: number; readonly memo: unknown }> {
    const sink = newSink()
    await sink.open(owner, undefined)
    return sink.deliver(rowsOf(1, 10))
  }
})
