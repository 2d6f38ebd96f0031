/** Timers of key actors against known answers: straight, and with a death between any two steps. */
import { describe, it } from 'vitest'
import { actor, job, type KeyTurn } from 'millrace'
import { testJob, type TestJob } from 'millrace/testing'
import * as z from 'zod'
import { type TimerCase, timerCases } from './case-file.ts'
import { type Outcome, playSteps, type SmallStep } from './play.ts'

const Order = z.object({ key: z.string(), timestamp: z.number(), does: z.string() })
type Turn = KeyTurn<Readonly<Record<never, never>>, string>

const tell = (name: string) => (key: Turn) => key.emit(`${key.id} ${name} at ${key.time}`)

const obedient = actor('obedient', {
  state: {},
  onRecord({ does }: z.infer<typeof Order>, key: Turn) {
    for (const order of does.split(', ')) obey(order, key)
  },
  onTimer: {
    a: tell('a'),
    b: tell('b'),
    again(key: Turn) {
      tell('again')(key)
      key.timer('again', key.time + 10)
    },
  },
})

function obey(order: string, key: Turn): void {
  const [what = '', name = '', number] = order.split(' ')
  switch (what) {
    case 'say':
      return key.emit(`${key.id} at ${key.time}, watermark ${key.watermark}, clock ${key.now}`)
    case 'timer':
      return key.timer(name, Number(number))
    case 'alarm':
      return key.alarm(name, { in: Number(number) })
    case 'cancel':
      return key.cancel(name)
    default:
      throw new Error(`'${order}' is no order`)
  }
}

const timers = job('timers', ({ source, sink }) => {
  source('orders', Order)
    .keyBy(({ key }) => key)
    .process(obedient)
    .to(sink('told'))
})

const read = async (t: TestJob): Promise<Outcome> => ({
  gives: await t.output<string>('told'),
  late: [],
})

function smallSteps({ steps }: TimerCase): SmallStep[] {
  let clock = 0
  return steps.map((step): SmallStep => {
    const expected = { gives: step.gives ?? [], late: [] }
    const text = JSON.stringify(step)
    if ('record' in step) {
      const [key, timestamp, does] = step.record
      return { text, expected, run: (t) => t.push('orders', { key, timestamp, does }) }
    }
    if (!('clock' in step)) return { text, expected, run: (t) => runOther(t, step) }
    const by = step.clock - clock
    clock = step.clock
    return { text, expected, run: (t) => t.advanceClock(by) }
  })
}

function runOther(t: TestJob, step: TimerCase['steps'][number]): void {
  if ('watermark' in step) t.advanceWatermark('orders', step.watermark)
  else if ('end' in step) t.endInput('orders')
  else t.crash()
}

describe.each(timerCases())('$id', (timerCase) => {
  it.each(['nothing', 'crash', 'kill', 'reopen'] as const)(
    'is answered with %s behind each step',
    async (what) => {
      const t = await testJob(timers)
      const disturb = (disturbed: TestJob): void => {
        if (what !== 'nothing') disturbed[what]()
      }
      // In the order in which they came: timers fire in order of time.
      await playSteps(t, smallSteps(timerCase), read, disturb, (words) => words)
      await t.close()
    },
  )
})
