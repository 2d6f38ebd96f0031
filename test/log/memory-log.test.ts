import { describe, expect, it } from 'vitest'
import { ConfigError, DataLossError, UnavailableError } from '../../runtime/errors.ts'
import { MemoryLog } from '../../runtime/testing/memory-log.ts'
import { appendableConformance } from '../conformance/appendable-log-conformance.ts'
import { logConformance } from '../conformance/log-conformance.ts'
import { ManualClock } from '../support/manual-clock.ts'

logConformance('MemoryLog', async () => {
  const clock = new ManualClock()
  const log = new MemoryLog({ clock })
  return {
    log,
    create: (stream, partitions) => log.createStream(stream, { partitions }),
    async append(stream, partition, messages) {
      await log.append(stream, partition, messages)
    },
    async purge(stream, upTo) {
      log.purge(stream, 0, upTo)
    },
    recreate: (stream) => log.recreate(stream),
    tick: () => clock.advance(5),
    close: () => log.close(),
  }
})

appendableConformance('MemoryLog', async () => {
  const clock = new ManualClock()
  return { log: new MemoryLog({ clock }), clock, close: async () => {} }
})

describe('MemoryLog', () => {
  it('can lose its tail, which a reader behind it refuses', async () => {
    const log = new MemoryLog()
    await log.createStream('s')
    await log.append('s', 0, [Buffer.from('a'), Buffer.from('b')])
    log.loseTail('s', 0, 1)
    expect(await log.inspect('s', 0)).toMatchObject({ first: 1, last: 1 })
    await expect(log.read('s', 0, 2)).rejects.toThrow(DataLossError)
  })

  it('can be away and come back', async () => {
    const log = new MemoryLog()
    await log.createStream('s')
    const reader = await log.read('s', 0, 0)
    const waiting = reader.ready()
    log.goAway()
    await expect(waiting).rejects.toThrow(UnavailableError)
    await expect(log.inspect('s', 0)).rejects.toThrow(UnavailableError)
    log.comeBack()
    await expect(log.inspect('t', 0)).rejects.toThrow(ConfigError)
    await reader.close()
  })
})
