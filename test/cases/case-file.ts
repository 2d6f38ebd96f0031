/**
 * Cases with known answers, as data: facts taken from the public test suites of other systems. A file
 * holds the cases of one subject; each case names the tests its facts come from.
 */
import { readFileSync } from 'node:fs'
import * as z from 'zod'

/** A call of the public API: `["purging", ["onCount", 4]]` is `purging(onCount(4))`. */
export type Call = readonly [name: string, ...args: unknown[]]

const call = z.custom<Call>(
  (candidate) => Array.isArray(candidate) && typeof candidate[0] === 'string',
)

/** Results as `key value [start,end)`; with `timing#index` and `last` where the pane is told too. */
const results = z.array(z.string())

/** What a step makes come out; what is not said does not come. */
const outcome = { gives: results.optional(), late: results.optional() }

const windowStep = z.union([
  /** Records as words, `key=value@time`; the value is 1 when none is given. */
  z.strictObject({ records: z.string(), ...outcome }),
  z.strictObject({ watermark: z.number(), ...outcome }),
  /** The clock goes on to this time. */
  z.strictObject({ clock: z.number(), ...outcome }),
  z.strictObject({ crash: z.literal(true), ...outcome }),
  z.strictObject({ end: z.literal(true), ...outcome }),
])

/** Why our answer is another one than theirs: the rule, and what they give. */
const difference = z.strictObject({ rule: z.string(), theirs: z.unknown() })

const origin = {
  id: z.string(),
  /** Repository, path and name of the test; several when a fact is in several. */
  source: z.union([z.string(), z.array(z.string())]),
  note: z.string().optional(),
  differs: difference.optional(),
}

/** What comes out of the same records in batch, where little is late; or why there is no such thing. */
const batch = z
  .union([
    results,
    z.strictObject({ gives: results, late: results }),
    z.strictObject({ none: z.string() }),
  ])
  .optional()

const windowCase = z.strictObject({
  ...origin,
  window: call,
  lateness: z.number().optional(),
  trigger: call.optional(),
  evictor: z.tuple([call, z.strictObject({ when: z.enum(['before', 'after']) })]).optional(),
  mode: z.enum(['accumulating', 'discarding', 'retracting']).optional(),
  /** What is made of a window's values; default their sum. */
  of: z.enum(['sum', 'count', 'times', 'values']).default('sum'),
  /** Lets the watermark follow the records at this distance. */
  outOfOrder: z.number().optional(),
  steps: z.array(windowStep),
  batch,
  /** 'nothing': no key has any state left when the steps are done. */
  leaves: z.literal('nothing').optional(),
})
export type WindowCase = z.infer<typeof windowCase>
export type WindowStep = z.infer<typeof windowStep>

/** A known answer that has no question here, and why. */
const openCase = z.strictObject({ ...origin, notAsked: z.string() })
export type OpenCase = z.infer<typeof openCase>

const startCase = z.strictObject({
  ...origin,
  window: call,
  /** By a record's time: the windows it is in, as `[start,end)`. */
  windows: z.record(z.string(), results),
})
export type StartCase = z.infer<typeof startCase>

const rejectCase = z.strictObject({ ...origin, rejects: z.array(call) })
export type RejectCase = z.infer<typeof rejectCase>

/** The times of the records that still wait for a partner. */
const waiting = z.strictObject({ left: z.array(z.number()), right: z.array(z.number()) }).optional()

const joinStep = z.union([
  z.strictObject({ left: z.string(), ...outcome }),
  z.strictObject({ right: z.string(), ...outcome }),
  /** Both sides have come this far; or one of them. */
  z.strictObject({ watermark: z.number(), waiting, ...outcome }),
  z.strictObject({ leftWatermark: z.number(), ...outcome }),
  z.strictObject({ rightWatermark: z.number(), ...outcome }),
  z.strictObject({ crash: z.literal(true), ...outcome }),
  z.strictObject({ end: z.literal(true), ...outcome }),
])
export type JoinStep = z.infer<typeof joinStep>

const intervalJoinCase = z.strictObject({
  ...origin,
  join: z.strictObject({
    within: z.tuple([z.number(), z.number()]),
    kind: z.enum(['inner', 'left', 'right', 'outer']).optional(),
    exclusive: z.enum(['lower', 'upper', 'both']).optional(),
    time: z.enum(['left', 'right', 'max']).optional(),
  }),
  steps: z.array(joinStep),
  batch,
  leaves: z.literal('nothing').optional(),
})
export type IntervalJoinCase = z.infer<typeof intervalJoinCase>

const windowJoinCase = z.strictObject({
  ...origin,
  window: call,
  /** A join of pairs by its kind, or a coGroup. */
  kind: z.enum(['inner', 'left', 'right', 'outer', 'coGroup']),
  /** The left stream is joined with itself. */
  self: z.literal(true).optional(),
  steps: z.array(joinStep),
  batch,
  leaves: z.literal('nothing').optional(),
})
export type WindowJoinCase = z.infer<typeof windowJoinCase>

const watermarkStep = z.strictObject({
  /** A watermark of a channel. */
  watermark: z.tuple([z.number(), z.number()]).optional(),
  idle: z.number().optional(),
  active: z.number().optional(),
  /** The channel has come to its end. */
  ends: z.number().optional(),
  /** What is handed on at this step: watermarks (`end` for the end of time), and changes between idle and active. */
  gives: z.array(z.union([z.number(), z.enum(['idle', 'active', 'end'])])).optional(),
})
const watermarkCase = z.strictObject({
  ...origin,
  channels: z.number(),
  steps: z.array(watermarkStep),
})
export type WatermarkCase = z.infer<typeof watermarkCase>

const boundCase = z.strictObject({
  ...origin,
  outOfOrder: z.number(),
  /** Times of records, and where the watermark stands behind each. */
  watermarks: z.array(z.tuple([z.number(), z.number()])),
})
export type BoundCase = z.infer<typeof boundCase>

const timerCase = z.strictObject({
  ...origin,
  /** A record's key, time, and what it does: `say`, `timer name time`, `alarm name delay`, `cancel name`. */
  steps: z.array(
    z.union([
      z.strictObject({
        record: z.tuple([z.string(), z.number(), z.string()]),
        gives: results.optional(),
      }),
      z.strictObject({ watermark: z.number(), gives: results.optional() }),
      z.strictObject({ clock: z.number(), gives: results.optional() }),
      z.strictObject({ crash: z.literal(true), gives: results.optional() }),
      z.strictObject({ end: z.literal(true), gives: results.optional() }),
    ]),
  ),
})
export type TimerCase = z.infer<typeof timerCase>

const read = <Case extends { readonly id: string }>(
  file: string,
  schema: z.ZodType<Case>,
): Case[] => {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8')
  const cases = z.array(schema).parse(JSON.parse(text))
  const ids = new Set(cases.map(({ id }) => id))
  if (ids.size !== cases.length) throw new Error(`${file}: two cases have the same id`)
  return cases
}

export const windowCases = (file: string): WindowCase[] => read(file, windowCase)
export const openCases = (): OpenCase[] => read('not-asked.json', openCase)
export const startCases = (): (StartCase | RejectCase)[] =>
  read('window-start.json', z.union([startCase, rejectCase]))
export const intervalJoinCases = (): IntervalJoinCase[] =>
  read('interval-join.json', intervalJoinCase)
export const windowJoinCases = (): WindowJoinCase[] => read('window-join.json', windowJoinCase)
export const watermarkCases = (): (WatermarkCase | BoundCase)[] =>
  read('watermarks.json', z.union([watermarkCase, boundCase]))
export const timerCases = (): TimerCase[] => read('timers.json', timerCase)
