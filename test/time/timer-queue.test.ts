import { describe, expect, it, vi } from 'vitest'
import type { Key } from '../../operators/operator.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { TimerQueue } from '../../runtime/time/timer-queue.ts'
import { newSeed, randomFrom } from '../support/random.ts'

type Fired = [time: number, key: Key]

/** A queue on a store, committed and made anew as a task does it. */
class QueueOnDisk {
  readonly store = new MemoryStore(new MemoryDisk())
  epoch = 0
  queue = this.#make()

  #make(clock: 'event' | 'processing' = 'event'): TimerQueue {
    return new TimerQueue({ store: this.store, operator: 3, clock }, this.epoch)
  }

  async commit(): Promise<void> {
    this.epoch += 1
    await this.store.commit((writer) => this.queue.write(writer, this.epoch))
  }

  /** What was not committed is gone. */
  restart(): void {
    this.queue = this.#make()
  }

  fire(upTo: number, budget = 1_000): Fired[] {
    const fired: Fired[] = []
    this.queue.fire(upTo, budget, (time, key) => fired.push([time, key]))
    return fired
  }
}

describe('TimerQueue', () => {
  it('fires what is due in the order of time, and of asking within one time', () => {
    const { queue } = new QueueOnDisk()
    queue.add(5, 'b')
    queue.add(3, 'c')
    queue.add(5, 'a')
    queue.add(-1, 1)
    queue.add(7, '1')
    expect(queue.nextTime).toBe(-1)
    const fired: Fired[] = []
    expect(queue.fire(5, 100, (time, key) => fired.push([time, key]))).toBe(true)
    expect(fired).toEqual([
      [-1, 1],
      [3, 'c'],
      [5, 'b'],
      [5, 'a'],
    ])
    expect(queue.nextTime).toBe(7)
    expect(queue.isDue(6)).toBe(false)
    expect(queue.isDue(7)).toBe(true)
  })

  it('reads what an earlier run left in bounded runs too, and keeps its order', async () => {
    const onDisk = new QueueOnDisk()
    const keys = Array.from({ length: 20_000 }, (_, n) => n)
    // Two times of one second, in turns: rows are full in the middle of both.
    for (const n of keys) onDisk.queue.add(n % 2 === 0 ? 7 : 3, n)
    await onDisk.commit()
    onDisk.restart()
    // A later run asked for the same time: behind what was there.
    onDisk.queue.add(3, 'new')
    const { store } = onDisk
    const fired: Key[] = []
    let runs = 0
    for (let isAll = false; !isAll; runs++) {
      const rowsRead = vi.spyOn(store, 'range')
      const before = fired.length
      isAll = onDisk.queue.fire(10, 2_000, (_time, key) => fired.push(key))
      expect(fired.length - before).toBeLessThanOrEqual(2_000)
      // Each row has 4,096 keys, and is looked for once more.
      expect(rowsRead.mock.calls.length).toBeLessThanOrEqual(4)
      rowsRead.mockRestore()
    }
    const [even, odd] = [keys.filter((n) => n % 2 === 0), keys.filter((n) => n % 2 === 1)]
    expect(fired).toEqual([...odd, 'new', ...even])
    expect(runs).toBeGreaterThan(10)
  })

  it('fires in bounded runs', () => {
    const onDisk = new QueueOnDisk()
    for (let n = 0; n < 5; n++) onDisk.queue.add(1, n)
    onDisk.queue.add(2, 9)
    const fired: Key[] = []
    const fire = (): boolean => onDisk.queue.fire(2, 2, (_, key) => fired.push(key))
    expect([fire(), fired.length]).toEqual([false, 2])
    expect([fire(), fired.length]).toEqual([false, 4])
    expect([fire(), fired.length]).toEqual([true, 6])
    expect(fired).toEqual([0, 1, 2, 3, 4, 9])
  })

  it('fires what is asked for while it fires, when it is due, earlier times first', () => {
    const { queue } = new QueueOnDisk()
    queue.add(5, 'a')
    queue.add(5, 'b')
    const fired: Fired[] = []
    queue.fire(8, 100, (time, key) => {
      fired.push([time, key])
      if (key !== 'a') return
      for (const [at, name] of [
        [5, 'same'],
        [8, 'due'],
        [3, 'past'],
        [9, 'later'],
      ] as const) {
        queue.add(at, name)
      }
    })
    expect(fired).toEqual([
      [5, 'a'],
      [3, 'past'],
      [5, 'b'],
      [5, 'same'],
      [8, 'due'],
    ])
    expect(queue.nextTime).toBe(9)
  })

  it('is due at the end of time when anything waits, and not when nothing does', () => {
    const { queue } = new QueueOnDisk()
    expect(queue.isDue(Number.POSITIVE_INFINITY)).toBe(false)
    queue.add(8e15, 'a')
    expect(queue.isDue(Number.POSITIVE_INFINITY)).toBe(true)
  })

  it('keeps what was asked first in front, over restarts', async () => {
    const onDisk = new QueueOnDisk()
    onDisk.queue.add(5, 'first')
    await onDisk.commit()
    onDisk.queue.add(5, 'second')
    await onDisk.commit()
    onDisk.restart()
    onDisk.queue.add(5, 'third')
    await onDisk.commit()
    onDisk.queue.add(5, 'fourth')
    expect(onDisk.fire(5).map(([, key]) => key)).toEqual(['first', 'second', 'third', 'fourth'])
  })

  it('leaves no row behind once everything has fired', async () => {
    const onDisk = new QueueOnDisk()
    for (let n = 0; n < 10_000; n++) onDisk.queue.add(n % 3, n)
    await onDisk.commit()
    onDisk.restart()
    expect(onDisk.fire(3, 100_000)).toHaveLength(10_000)
    await onDisk.commit()
    expect(onDisk.store.count('timers')).toBe(0)
  })

  it('does not see the timers of other operators or of the other clock', async () => {
    const onDisk = new QueueOnDisk()
    onDisk.queue.add(1, 'mine')
    await onDisk.commit()
    for (const [operator, clock] of [
      [2, 'event'],
      [4, 'event'],
      [3, 'processing'],
    ] as const) {
      const other = new TimerQueue({ store: onDisk.store, operator, clock }, onDisk.epoch)
      expect(other.nextTime).toBe(Number.POSITIVE_INFINITY)
    }
  })

  it('fires what a sorted list fires, restarted between any two steps', async () => {
    const seed = newSeed()
    for (let round = 0; round < 60; round++) {
      const random = randomFrom(seed + round)
      const below = (limit: number): number => Math.floor(random() * limit)
      const onDisk = new QueueOnDisk()
      // The oracle: what waits, in the order of asking; and what waited at the last commit.
      let waiting: Fired[] = []
      let committed: Fired[] = []
      let watermark = 0
      // Many times within a second, some, and none.
      const unitMs = [1, 137, 1_000][round % 3] ?? 1
      for (let step = 0; step < 60; step++) {
        const choice = random()
        if (choice < 0.5) {
          const timer: Fired = [
            watermark + 1 + unitMs * below(12),
            below(2) === 0 ? below(9) : `${below(9)}`,
          ]
          waiting.push(timer)
          onDisk.queue.add(...timer)
        } else if (choice < 0.7) {
          watermark += unitMs * below(6)
          const due = waiting.filter(([time]) => time <= watermark).toSorted((a, b) => a[0] - b[0])
          waiting = waiting.filter(([time]) => time > watermark)
          expect(onDisk.fire(watermark), `seed ${seed + round}`).toEqual(due)
        } else if (choice < 0.9) {
          await onDisk.commit()
          committed = [...waiting]
        } else {
          onDisk.restart()
          waiting = [...committed]
        }
        const next = Math.min(Number.POSITIVE_INFINITY, ...waiting.map(([time]) => time))
        // Of what was not read yet only the second is known.
        const { nextTime } = onDisk.queue
        const expected = nextTime < next ? Math.floor(next / 1_000) * 1_000 : next
        expect(nextTime, `seed ${seed + round}`).toBe(expected)
      }
    }
  })
})
