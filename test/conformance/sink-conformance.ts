/**
 * What every exactly-once Sink keeps (K1 to K3 of sink.ts), as tests that each implementation runs.
 * The suite plays the task: it keeps an outbox, commits what the sink says, and crashes.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Sink, SinkOwner, Taken } from '../../runtime/sink/sink.ts'
import { ByteWriter } from '../../runtime/task/byte-writer.ts'
import { lastOf, type OutboxRow } from '../../runtime/task/outbox-row.ts'
import { newSeed, randomFrom } from '../support/random.ts'

/** One destination, empty at first. */
export interface SinkFixture {
  /** A new sink on the destination, as a process that starts has it. */
  open(): Sink
  /** Texts of all messages that the destination holds, in order. */
  contents(): Promise<string[]>
  close(): Promise<void>
}

interface Result {
  readonly n: number
  readonly name: string
}

const OWNER: SinkOwner = { run: 'run-1', job: 'sink/test', task: 'stage/0', destination: 'results' }

const resultsOf = (from: number, to: number): Result[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    n: from + index,
    name: `naïve "${(from + index) % 3}"\n`,
  }))

/** A task as its sink sees it: the rows of its outbox, and what it last committed about the sink. */
class TaskOfSink {
  readonly #fixture: SinkFixture
  readonly #sinks: Sink[] = []
  #rows: OutboxRow[] = []
  #made = 0
  #acknowledged: Taken | undefined
  committed: Taken | undefined

  constructor(fixture: SinkFixture) {
    this.#fixture = fixture
  }

  /** Starts, for the first time or after a crash: what the sink says is committed before it delivers. */
  async start(): Promise<void> {
    const sink = this.#fixture.open()
    this.#sinks.push(sink)
    await this.#open(sink)
  }

  async #open(sink: Sink): Promise<void> {
    const owner = { ...OWNER, made: this.#made }
    this.#acknowledged = await sink.open(owner, this.committed)
    expect(this.#acknowledged.number).toBeGreaterThanOrEqual(this.committed?.number ?? 0)
    expect(this.#acknowledged.number).toBeLessThanOrEqual(this.#made)
    this.commit()
  }

  /** Opens the same sink again, as is done when the destination was away. */
  async reopen(): Promise<void> {
    await this.#sink.close()
    await this.#open(this.#sink)
  }

  /** Commits an epoch with these results in rows of up to `rowLength`. */
  make(results: readonly Result[], rowLength = 3): void {
    for (let from = 0; from < results.length; from += rowLength) {
      this.#rows.push(this.#cutRow(results.slice(from, from + rowLength)))
    }
    this.commit()
  }

  #cutRow(results: readonly Result[]): OutboxRow {
    const parts = results.map((result) => {
      const out = new ByteWriter()
      this.#sink.encode(out, result, result.n, undefined)
      return out.take()
    })
    let end = 0
    const ends = Uint32Array.from(parts, (part) => (end += part.length))
    const first = this.#made + 1
    this.#made += results.length
    return { first, bytes: Buffer.concat(parts), ends }
  }

  /** Rows that are not wholly acknowledged, as the outbox gives them. */
  get waiting(): readonly OutboxRow[] {
    return this.#rows.filter((row) => lastOf(row) > (this.#acknowledged?.number ?? 0))
  }

  /** Delivers the next rows, all of them by default. */
  async deliver(count = Infinity): Promise<void> {
    const rows = this.waiting.slice(0, count)
    const last = rows.at(-1)
    if (last === undefined) return
    const taken = await this.#sink.deliver(rows)
    expect(taken.number).toBe(lastOf(last))
    this.#acknowledged = taken
  }

  /** Commits what is acknowledged. Through JSON, as the state keeps it; what is trimmed is gone. */
  commit(): void {
    this.committed = JSON.parse(JSON.stringify(this.#acknowledged)) as Taken
    this.#rows = this.#rows.filter((row) => lastOf(row) > (this.committed?.number ?? 0))
  }

  get #sink(): Sink {
    const sink = this.#sinks.at(-1)
    if (sink === undefined) throw new Error('the task was not started')
    return sink
  }

  /** Ends all sinks, those that crashes left open too. */
  async end(): Promise<void> {
    for (const sink of this.#sinks) await sink.close()
  }
}

export function sinkConformance(name: string, make: () => Promise<SinkFixture>): void {
  describe(`${name} as a sink`, () => {
    let fixture: SinkFixture
    let task: TaskOfSink

    beforeEach(async () => {
      fixture = await make()
      task = new TaskOfSink(fixture)
      await task.start()
    })
    afterEach(async () => {
      await task.end()
      await fixture.close()
    })

    const values = async (): Promise<unknown[]> =>
      (await fixture.contents()).map((text) => JSON.parse(text) as unknown)

    it('starts with nothing taken', async () => {
      expect(task.committed?.number).toBe(0)
      expect(await values()).toEqual([])
    })

    it('takes rows in order, and has them when deliver resolves (K1)', async () => {
      task.make(resultsOf(1, 10))
      await task.deliver(2)
      expect(await values()).toEqual(resultsOf(1, 6))
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 10))
      task.make(resultsOf(11, 11))
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 11))
    })

    it('goes on after a restart at which everything was committed (K2)', async () => {
      task.make(resultsOf(1, 5))
      await task.deliver()
      task.commit()
      await task.start()
      expect(task.waiting).toEqual([])
      task.make(resultsOf(6, 9))
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 9))
    })

    it('has each result once when the crash came before anything was delivered', async () => {
      task.make(resultsOf(1, 5))
      await task.start()
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 5))
    })

    it('has each result once when the crash came before the commit of what was taken (K3)', async () => {
      task.make(resultsOf(1, 5))
      await task.deliver()
      await task.start()
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 5))
    })

    it('has each result once when only a part was delivered and committed (K3)', async () => {
      task.make(resultsOf(1, 14))
      await task.deliver(2)
      task.commit()
      await task.deliver(1)
      await task.start()
      task.make(resultsOf(15, 16))
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 16))
    })

    it('has each result once after several crashes in a row', async () => {
      task.make(resultsOf(1, 9))
      for (let crash = 0; crash < 4; crash++) {
        await task.deliver(1 + (crash % 2))
        await task.start()
      }
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 9))
    })

    it('can be closed and opened again by the task that has it', async () => {
      task.make(resultsOf(1, 4))
      await task.deliver(1)
      await task.reopen()
      await task.deliver()
      task.make(resultsOf(5, 6))
      await task.reopen()
      await task.deliver()
      expect(await values()).toEqual(resultsOf(1, 6))
    })

    it('has each result once whatever is interrupted where', async () => {
      const seed = newSeed()
      const random = randomFrom(seed)
      const below = (limit: number): number => Math.floor(random() * limit)
      let made = 0
      for (let step = 0; step < 60; step++) {
        const choice = random()
        if (choice < 0.35) {
          const count = 1 + below(12)
          task.make(resultsOf(made + 1, made + count), 1 + below(5))
          made += count
        } else if (choice < 0.7) await task.deliver(1 + below(3))
        else if (choice < 0.8) task.commit()
        else if (choice < 0.85) await task.reopen()
        else await task.start()
      }
      await task.deliver()
      expect(await values(), `seed ${seed}`).toEqual(resultsOf(1, made))
    })
  })
}
