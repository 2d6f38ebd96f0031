/** Which input is read, which is silent and which waits: the inputs of a task by themselves. */
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { watermarks } from '../../operators/watermark.ts'
import { UserCodeError } from '../../runtime/errors.ts'
import { Ingest } from '../../runtime/task/ingest.ts'
import { Inputs } from '../../runtime/task/inputs.ts'
import { MemorySource } from '../../runtime/testing/memory-source.ts'
import type { EventTimeOptions } from '../../runtime/time/event-time.ts'
import { ManualClock } from '../support/manual-clock.ts'

const START = 1_700_000_000_000

class Scene {
  readonly clock = new ManualClock(START)
  readonly sources: MemorySource[] = []
  readonly ingests: Ingest[] = []
  readonly seen: number[] = []
  inputs = new Inputs([], this.clock)

  /** Adds an input whose records are its times. */
  async add(
    eventTime: Partial<EventTimeOptions> = {},
    batchRecordsMax = 10,
    first = false,
  ): Promise<Ingest> {
    const source = new MemorySource({
      name: `s${this.sources.length}`,
      batchRecordsMax,
      isBounded: first,
    })
    const [input] = await source.inputs()
    if (input === undefined) throw new Error('a memory source has an input')
    const ingest = new Ingest({
      source: source.name,
      input,
      first,
      schema: z.number(),
      eventTime: {
        of: (value) => value as number,
        progressive: true,
        outOfOrderMs: 0,
        idleAfterMs: 30_000,
        maxAheadMs: Number.MAX_SAFE_INTEGER,
        minTime: 0,
        ...eventTime,
      },
      reject: (reason) => {
        throw new Error(reason)
      },
      onWatermark: () => true,
      onReady: () => undefined,
      onRead: () => undefined,
    })
    ingest.connect((value) => this.seen.push(value as number))
    await ingest.open(undefined)
    this.sources.push(source)
    this.ingests.push(ingest)
    this.inputs = new Inputs(this.ingests, this.clock)
    this.inputs.start()
    return ingest
  }

  push(source: number, ...times: readonly number[]): void {
    this.sources[source]?.push(times, START)
  }

  /** A round, once everybody who waits for news has been told. */
  async round(): Promise<'taken' | 'stepped' | 'nothing'> {
    await this.clock.breathe()
    const result = this.inputs.take(
      () => undefined,
      () => false,
    )
    this.inputs.finishEnded()
    return result
  }

  /** The task waits for news, and listens. */
  wait(delayMs: number): void {
    this.inputs.wait()
    this.clock.advance(delayMs)
    this.inputs.waited()
  }
}

const range = (from: number, to: number, step: number): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step)

describe('silence', () => {
  it('makes an input idle after its time, and a record ends it', async () => {
    const scene = new Scene()
    const input = await scene.add()
    scene.push(0, 5)
    expect(await scene.round()).toBe('taken')
    scene.wait(29_999)
    expect([input.watermark.holder.idle, scene.inputs.nextLookMs]).toEqual([false, 1])
    scene.wait(1)
    expect([input.watermark.holder.idle, scene.inputs.nextLookMs]).toEqual([true, Infinity])
    scene.push(0, 9)
    await scene.round()
    expect([input.watermark.holder.idle, input.watermark.holder.value]).toEqual([false, 8])
  })

  it('is none of an input that the task did not listen to', async () => {
    const scene = new Scene()
    const input = await scene.add()
    expect(await scene.round()).toBe('nothing')
    // The task was busy: a full sink, a slow disk, a suspended process.
    scene.clock.advance(3_600_000)
    expect(await scene.round()).toBe('nothing')
    expect(input.watermark.holder.idle).toBe(false)
    scene.wait(30_000)
    expect(input.watermark.holder.idle).toBe(true)
  })

  it('is noticed while other inputs keep the task busy', async () => {
    const scene = new Scene()
    await scene.add()
    const silent = await scene.add()
    const results: string[] = []
    for (let second = 0; second < 32; second++) {
      scene.push(0, second)
      results.push(await scene.round())
      scene.clock.advance(999)
    }
    expect(silent.watermark.holder.idle).toBe(true)
    expect(new Set(results)).toEqual(new Set(['taken']))
  })

  it('lets the time of an input go on with the clock, less its bound, where that is asked for', async () => {
    const scene = new Scene()
    const input = await scene.add({ whenIdle: 'advance', outOfOrderMs: 2_000 })
    const { holder } = input.watermark
    scene.push(0, START + 500)
    await scene.round()
    expect(holder.value).toBe(START + 500 - 2_001)
    scene.wait(30_000)
    expect([holder.idle, holder.value]).toEqual([false, START + 30_000 - 2_001])
    expect(scene.inputs.nextLookMs).toBe(200)
    scene.wait(200)
    expect(holder.value).toBe(START + 30_200 - 2_001)
    // What comes now and is older is behind; time does not go back.
    scene.push(0, START + 600)
    await scene.round()
    expect(holder.value).toBe(START + 30_200 - 2_001)
  })

  it('does not take time back when the clock goes back', async () => {
    const scene = new Scene()
    const input = await scene.add({ whenIdle: 'advance' })
    input.watermark.restore({ maxTime: START, watermark: START + 90_000 })
    scene.wait(30_000)
    expect(input.watermark.holder.value).toBe(START + 90_000)
  })

  it('is asked about no more when the input has ended', async () => {
    const scene = new Scene()
    const input = await scene.add()
    scene.wait(30_000)
    scene.sources[0]?.end()
    await scene.round()
    expect([input.watermark.holder.idle, scene.inputs.areFinished]).toEqual([false, true])
    expect(scene.inputs.nextLookMs).toBe(Infinity)
  })
})

describe('an input that is pending', () => {
  it('is asked for news though another keeps the task busy', async () => {
    const scene = new Scene()
    await scene.add()
    await scene.add()
    scene.push(0, ...range(1, 1_000, 1))
    await scene.round()
    scene.push(1, 7)
    await scene.round()
    await scene.round()
    expect(scene.ingests[1]?.records).toBe(1)
    expect(scene.ingests[0]?.records).toBeLessThan(100)
  })
})

describe("a source's own watermarks", () => {
  it('are asked from time to time, when they want to', async () => {
    const scene = new Scene()
    const own = watermarks({
      init: () => ({}),
      onRecord: () => undefined,
      onPeriod: (_state, now) => now - 1_000,
    })
    const input = await scene.add({ watermarks: own, idleAfterMs: Infinity })
    expect(scene.inputs.nextLookMs).toBe(200)
    scene.wait(199)
    expect(input.watermark.holder.value).toBe(-Infinity)
    scene.wait(1)
    expect(input.watermark.holder.value).toBe(START - 800)
    scene.clock.advance(250)
    expect(await scene.round()).toBe('stepped')
    expect(input.watermark.holder.value).toBe(START - 550)
  })

  it('that fail, or say what is no time, end the job with their source', async () => {
    const onRecord = (): undefined => undefined
    for (const onPeriod of [
      () => Number.NaN,
      () => {
        throw new Error('not today')
      },
    ]) {
      const scene = new Scene()
      await scene.add({ watermarks: watermarks({ init: () => ({}), onRecord, onPeriod }) })
      let thrown: unknown
      try {
        scene.wait(200)
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBeInstanceOf(UserCodeError)
      expect(String(thrown)).toMatch(/watermarks of source 's0' failed: (not today|onPeriod re)/)
    }
  })
})

describe('alignment', () => {
  const alignment = { group: 'default', maxDriftMs: 1_000 }

  /** Runs rounds until all is read; the largest distance there was between the inputs' times. */
  async function run(scene: Scene): Promise<number> {
    let drift = 0
    for (let round = 0; !scene.inputs.areFinished; round++) {
      if (round > 5_000) throw new Error('the inputs wait for each other')
      await scene.round()
      const times = scene.ingests
        .filter(({ ended }) => !ended)
        .map(({ watermark }) => watermark.maxTime)
        .filter(Number.isFinite)
      if (times.length > 1) drift = Math.max(drift, Math.max(...times) - Math.min(...times))
    }
    return drift
  }

  /** An hour of a busy source and one of a quiet one. */
  async function skewed(eventTime: Partial<EventTimeOptions>): Promise<Scene> {
    const scene = new Scene()
    await scene.add(eventTime, 10)
    await scene.add(eventTime, 10)
    scene.push(0, ...range(0, 3_600_000, 1_000))
    scene.push(1, ...range(0, 3_600_000, 50_000))
    for (const source of scene.sources) source.end()
    return scene
  }

  it('keeps two inputs of different density together, up to a batch', async () => {
    const apart = await skewed({})
    expect(await run(apart)).toBeGreaterThan(3_000_000)
    const together = await skewed({ alignment: { group: 'g', maxDriftMs: 10_000 } })
    // A batch of the quiet one is 500 s long, and it is read when it is not ahead.
    expect(await run(together)).toBeLessThanOrEqual(10_000 + 500_000)
    expect(together.seen.toSorted((a, b) => a - b)).toEqual(apart.seen.toSorted((a, b) => a - b))
  })

  it('bounds what waits for the slower input, whatever the lengths of the files', async () => {
    const scene = new Scene()
    await scene.add({ alignment }, 10)
    await scene.add({ alignment }, 10)
    scene.push(0, ...range(0, 100_000, 10))
    scene.push(1, ...range(0, 400_000, 100))
    for (const source of scene.sources) source.end()
    expect(await run(scene)).toBeLessThanOrEqual(1_000 + 10 * 100)
    expect(scene.seen).toHaveLength(10_001 + 4_001)
  })

  it('does not wait for an input that is silent for long, or has ended', async () => {
    const scene = new Scene()
    const busy = await scene.add({ alignment })
    await scene.add({ alignment })
    scene.push(0, ...range(0, 9_990, 10))
    for (let i = 0; i < 20; i++) await scene.round()
    // Before the other has said anything it may be anywhere.
    expect(busy.records).toBe(10)
    expect(scene.inputs.hasBacklog).toBe(false)
    scene.wait(30_000)
    expect(busy.watermark.holder.idle).toBe(false)
    for (let i = 0; i < 20; i++) await scene.round()
    expect(busy.records).toBe(210)
    scene.push(1, 100)
    for (let i = 0; i < 20; i++) await scene.round()
    expect(busy.records).toBe(220)
    scene.sources[1]?.end()
    for (let i = 0; i < 90; i++) await scene.round()
    expect(busy.records).toBe(1_000)
  })

  it('does not wait for a silent input whose time goes on with the clock', async () => {
    const scene = new Scene()
    const busy = await scene.add({ alignment })
    await scene.add({ alignment, whenIdle: 'advance' })
    scene.push(0, ...range(0, 9_990, 10))
    for (let i = 0; i < 3; i++) await scene.round()
    expect(busy.records).toBe(10)
    scene.wait(30_000)
    for (let i = 0; i < 20; i++) await scene.round()
    expect(busy.records).toBeGreaterThan(200)
  })

  it('does not make an input idle that has to wait', async () => {
    const scene = new Scene()
    const ahead = await scene.add({ alignment })
    await scene.add({ alignment, idleAfterMs: Infinity })
    scene.push(1, 0)
    scene.push(0, ...range(5_000, 6_000, 10))
    for (let minute = 0; minute < 10; minute++) {
      while ((await scene.round()) !== 'nothing');
      scene.wait(60_000)
    }
    expect([ahead.records, ahead.watermark.holder.idle]).toEqual([10, false])
  })

  it('does not wait for an input that waits until others have been read whole', async () => {
    const scene = new Scene()
    await scene.add({ alignment })
    await scene.add({ alignment }, 10, true)
    scene.push(0, ...range(0, 9_990, 10))
    scene.push(1, ...range(0, 9_990, 10))
    for (const source of scene.sources) source.end()
    for (let i = 0; i < 101; i++) await scene.round()
    expect(scene.ingests.map(({ records }) => records)).toEqual([0, 1_000])
    await run(scene)
    expect(scene.seen).toHaveLength(2_000)
  })

  it('leaves other groups alone', async () => {
    const scene = new Scene()
    const other = await scene.add({ alignment: { ...alignment, group: 'other' } })
    const none = await scene.add()
    await scene.add({ alignment })
    scene.push(0, ...range(0, 9_990, 10))
    scene.push(1, ...range(0, 9_990, 10))
    for (let i = 0; i < 110; i++) await scene.round()
    expect([other.records, none.records]).toEqual([1_000, 1_000])
  })
})
