import { describe, expect, it } from 'vitest'
import { DataLossError, InvariantError } from '../../runtime/errors.ts'
import { MemoryDestination, MemorySink } from '../../runtime/testing/memory-sink.ts'
import { sinkConformance } from '../conformance/sink-conformance.ts'
import { ownerOf, rowOf } from '../support/outbox-rows.ts'

sinkConformance('MemorySink', async () => {
  const destination = new MemoryDestination()
  return {
    open: () => new MemorySink(destination),
    contents: async () => destination.messages,
    close: async () => undefined,
  }
})

describe('MemorySink', () => {
  const opened = async (destination = new MemoryDestination()): Promise<MemorySink> => {
    const sink = new MemorySink(destination)
    await sink.open(ownerOf('run'), undefined)
    return sink
  }

  it('finds a hole in the numbers (I4)', async () => {
    const sink = await opened()
    await expect(sink.deliver([rowOf(2, ['b'])])).rejects.toThrow(InvariantError)
  })

  it('finds results that come again with other bytes (K3)', async () => {
    const sink = await opened()
    await sink.deliver([rowOf(1, ['a', 'b'])])
    await sink.deliver([rowOf(1, ['a', 'b', 'c'])])
    await expect(sink.deliver([rowOf(3, ['d'])])).rejects.toThrow(/other bytes: d and not c/)
  })

  it('refuses a destination of another run, one that lost results, and one that has too many', async () => {
    const destination = new MemoryDestination()
    const sink = await opened(destination)
    await sink.deliver([rowOf(1, ['a', 'b'])])
    await expect(sink.open(ownerOf('other'), undefined)).rejects.toThrow(DataLossError)
    await expect(sink.open(ownerOf('run', 1), undefined)).rejects.toThrow(/has made only 1/)
    await expect(sink.open(ownerOf('run'), { number: 3, memo: null })).rejects.toThrow(/lost/)
    expect(await sink.open(ownerOf('run', 2), undefined)).toEqual({ number: 2, memo: null })
  })
})
