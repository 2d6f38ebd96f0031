/** A job of one window operator over elements, for the tests of this folder. */
import {
  actor,
  collect,
  job,
  type JobDefinition,
  type OperatorOptions,
  type WindowSpec,
} from 'millrace'
import type { TestJob } from 'millrace/testing'
import * as z from 'zod'

export const Element = z.object({ key: z.string(), timestamp: z.number(), n: z.number() })
export type Element = z.infer<typeof Element>

type Options = Pick<OperatorOptions, 'onError'>

/** Results as `key 1,2,3 [start,end) timing#index revision @time`; late ones as `key@time`. */
export function valuesOf(windows: WindowSpec<Element>, options: Options = {}): JobDefinition {
  return job('values', ({ source, sink }) => {
    const results = source('elements', Element)
      .keyBy((element) => element.key)
      .window(windows)
      .aggregate('windows', { all: collect<Element>() }, options)
    results
      .map(({ key, value, window, pane, revision, retract }) => {
        const values = value.all.map(({ n }) => n).join(',')
        const text = `${key} ${values} [${window.start},${window.end})`
        const last = pane.isLast ? ' last' : ''
        return `${text} ${pane.timing}#${pane.index}${last} r${revision}${retract === true ? ' taken back' : ''}`
      })
      .process(withTime)
      .to(sink('results'))
    results.late.map(({ key, timestamp }) => `${key}@${timestamp}`).to(sink('late'))
  })
}

const withTime = actor('with-time', {
  state: {},
  onRecord: (text: string, key) => key.emit(`${text} @${key.time}`),
})

/** `k=7@1000` is an element, `wm999` a step of the watermark, `clock5` one of the clock by 5 ms. */
export function play(t: TestJob, script: string): void {
  for (const word of script.trim().split(/\s+/)) {
    const [, key, n, time] = /^(\w+)=(-?\d+)@(-?\d+)$/.exec(word) ?? []
    if (key !== undefined) t.push('elements', { key, n: Number(n), timestamp: Number(time) })
    else if (word.startsWith('wm')) t.advanceWatermark('elements', Number(word.slice(2)))
    else if (word.startsWith('clock')) t.advanceClock(Number(word.slice(5)))
    else throw new Error(`'${word}' is no word of a script`)
  }
}
