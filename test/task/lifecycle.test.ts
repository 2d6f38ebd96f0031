import { describe, expect, it } from 'vitest'
import { StateError, UnavailableError } from 'millrace'
import { Lifecycle, type LifecycleOptions } from '../../runtime/task/lifecycle.ts'
import type { Task } from '../../runtime/task/task.ts'
import { ManualClock } from '../support/manual-clock.ts'

class Deferred<Value> {
  reject: (error: Error) => void = () => undefined
  readonly promise = new Promise<Value>((_resolve, reject) => {
    this.reject = reject
  })
}

const told: unknown[] = []

function lifecycleOf(open: LifecycleOptions['open']): Lifecycle {
  told.length = 0
  return new Lifecycle({
    open,
    restart: { strategy: 'fixed', attemptsMax: 3, delayMs: 10, delayMaxMs: 10 },
    clock: new ManualClock(),
    onRestart: () => undefined,
    onStoppedWhileAway: (error) => told.push(error),
  })
}

describe('a task that is asked to stop while it opens', () => {
  it('stops, and says what it was waiting for', async () => {
    const opening = new Deferred<Task>()
    const lifecycle = lifecycleOf(() => opening.promise)
    const end = lifecycle.run()
    lifecycle.stop()
    const away = new UnavailableError('the disk is full')
    opening.reject(away)
    expect(await end).toBe('stopped')
    expect(told).toEqual([away])
  })

  it('fails with what no waiting would mend', async () => {
    const opening = new Deferred<Task>()
    const lifecycle = lifecycleOf(() => opening.promise)
    const end = lifecycle.run()
    lifecycle.stop()
    opening.reject(new StateError('a row is damaged'))
    await expect(end).rejects.toThrow('a row is damaged')
    expect(told).toEqual([])
  })
})
