import { describe, expect, it } from 'vitest'
import { StateError } from '../../runtime/errors.ts'
import type { Taken } from '../../runtime/sink/sink.ts'
import { lastOf, messagesOf } from '../../runtime/task/outbox-row.ts'
import { Outbox } from '../../runtime/task/outbox.ts'
import { MemoryDestination, MemorySink } from '../../runtime/testing/memory-sink.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'

class OutboxOnDisk {
  readonly store = new MemoryStore(new MemoryDisk())
  epoch = 0
  outbox = this.#make()
  /** What the last commit knew of the destination. */
  taken: Taken | undefined

  #make(): Outbox {
    const sink = new MemorySink(new MemoryDestination())
    return new Outbox({ name: 'out', destination: 2, sink })
  }

  push(...values: readonly unknown[]): void {
    for (const value of values) this.outbox.push(value, 0, undefined)
  }

  async commit(): Promise<void> {
    this.epoch += 1
    this.taken = this.outbox.known
    await this.store.commit((writer) => this.outbox.write(writer, this.epoch))
  }

  restart(): void {
    this.outbox = this.#make()
    this.outbox.restore(this.store, this.taken, this.epoch)
  }

  acknowledge(number: number): void {
    this.outbox.acknowledge({ number, memo: null })
  }

  /** What may leave, as `number:text`. */
  leaving(from = this.outbox.takenNumber + 1, durableEpoch = this.epoch): string[] {
    return this.outbox
      .durableRows(from, durableEpoch, Number.POSITIVE_INFINITY)
      .flatMap((row) =>
        messagesOf(row).map((text, i) => `${row.first + i}:${Buffer.from(text).toString()}`),
      )
  }
}

describe('an outbox', () => {
  it('gives nothing out before its epoch is durable (O2)', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a', 'b')
    expect(onDisk.leaving(1, 10)).toEqual([])
    await onDisk.commit()
    expect(onDisk.leaving(1, 0)).toEqual([])
    onDisk.push('c')
    await onDisk.commit()
    expect(onDisk.leaving(1, 1)).toEqual(['1:"a"', '2:"b"'])
    expect(onDisk.leaving(1, 2)).toEqual(['1:"a"', '2:"b"', '3:"c"'])
  })

  it('numbers without holes, over restarts (O1)', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a')
    await onDisk.commit()
    onDisk.push('lost')
    onDisk.restart()
    onDisk.push('b')
    await onDisk.commit()
    expect(onDisk.leaving()).toEqual(['1:"a"', '2:"b"'])
    expect(onDisk.outbox.count).toBe(2)
  })

  it('goes on with the number behind what was taken when it is empty', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a', 'b')
    await onDisk.commit()
    onDisk.acknowledge(2)
    await onDisk.commit()
    expect(onDisk.store.count('outbox')).toBe(0)
    onDisk.restart()
    onDisk.push('c')
    await onDisk.commit()
    expect(onDisk.leaving()).toEqual(['3:"c"'])
  })

  it('trims with the commit after rows were taken, and whole rows only', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a', 'b')
    await onDisk.commit()
    onDisk.push('c')
    await onDisk.commit()
    onDisk.acknowledge(1)
    expect(onDisk.outbox.hasToTrim).toBe(false)
    onDisk.acknowledge(2)
    expect(onDisk.outbox.hasToTrim).toBe(true)
    expect(onDisk.store.count('outbox')).toBe(2)
    await onDisk.commit()
    expect([onDisk.store.count('outbox'), onDisk.outbox.hasToTrim]).toEqual([1, false])
    expect(onDisk.leaving()).toEqual(['3:"c"'])
  })

  it('starts again behind what was taken, in the middle of a row too', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a', 'b', 'c')
    await onDisk.commit()
    onDisk.acknowledge(2)
    onDisk.push('d')
    await onDisk.commit()
    onDisk.restart()
    expect(onDisk.outbox.takenNumber).toBe(2)
    expect(onDisk.leaving(3)).toEqual(['1:"a"', '2:"b"', '3:"c"', '4:"d"'])
  })

  it('gives out again what was acknowledged and not committed as such', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a')
    await onDisk.commit()
    onDisk.acknowledge(1)
    onDisk.restart()
    expect(onDisk.leaving()).toEqual(['1:"a"'])
  })

  it('trims after a restart what was known to be taken', async () => {
    const onDisk = new OutboxOnDisk()
    onDisk.push('a')
    await onDisk.commit()
    onDisk.push('b')
    await onDisk.commit()
    onDisk.taken = { number: 1, memo: null }
    onDisk.restart()
    expect(onDisk.outbox.hasToTrim).toBe(true)
    await onDisk.commit()
    expect(onDisk.store.count('outbox')).toBe(1)
    expect(onDisk.leaving()).toEqual(['2:"b"'])
  })

  it('cuts rows of bounded size and gives out as many as asked for', async () => {
    const onDisk = new OutboxOnDisk()
    const text = 'ü'.repeat(1_000)
    for (let n = 0; n < 1_000; n++) onDisk.push(text)
    await onDisk.commit()
    const rows = onDisk.outbox.durableRows(1, 1, Number.POSITIVE_INFINITY)
    expect(rows.length).toBeGreaterThan(7)
    expect(rows.map(({ first }) => first)).toEqual([
      1,
      ...rows.slice(0, -1).map((row) => lastOf(row) + 1),
    ])
    expect(onDisk.outbox.durableRows(1, 1, 1)).toHaveLength(1)
    expect(onDisk.leaving()).toHaveLength(1_000)
    expect(onDisk.leaving().every((each) => each.endsWith(`:"${text}"`))).toBe(true)
    onDisk.restart()
    expect(onDisk.leaving()).toHaveLength(1_000)
  })

  it('keeps messages apart whatever is in them', async () => {
    const onDisk = new OutboxOnDisk()
    const values = ['', 'é', '😀', '\u0000', '\n', 1, null, { a: ['ß'] }]
    onDisk.push(...values)
    await onDisk.commit()
    onDisk.restart()
    expect(onDisk.leaving()).toEqual(values.map((value, i) => `${i + 1}:${JSON.stringify(value)}`))
  })

  it('refuses damaged and missing rows', async () => {
    const onDisk = new OutboxOnDisk()
    for (const value of ['a', 'b', 'c']) {
      onDisk.push(value)
      await onDisk.commit()
    }
    const all = { start: Buffer.from([0]), end: Buffer.from([255]) }
    const [, second] = onDisk.store.range('outbox', all)
    if (second === undefined) throw new Error('there are three rows')
    for (let at = 0; at < second.value.length; at++) {
      const damaged = Uint8Array.from(second.value)
      damaged[at] = (damaged[at] as number) ^ 4
      await onDisk.store.commit((writer) => writer.put('outbox', second.key, damaged))
      expect(() => onDisk.restart()).toThrow(/row 2 of the outbox to 'out' is damaged/)
    }
    await onDisk.store.commit((writer) => writer.remove('outbox', second.key))
    expect(() => onDisk.restart()).toThrow(StateError)
    expect(() => onDisk.restart()).toThrow(/no row with number 2/)
  })
})
