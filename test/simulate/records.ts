/** The records of a run, and what is wrong with some of them. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Chance } from './chance.ts'

export interface Item {
  readonly k: string
  readonly t: number
  readonly n: number
}

/** Where the virtual clock begins, and event time with it. */
export const EPOCH_MS = 1_700_000_000_000
const MIN_TIME = Date.UTC(1990, 0, 1)
export const MAX_AHEAD_MS = 86_400_000
const KEYS = ['a', '', '__proto__', 'é', 'a.b', '🎞️', 'constructor', '\u0000']

/** Why a record goes to the dead letter, as its reason there begins. */
export type Flaw = 'not JSON' | 'not UTF-8' | 'does not fit the schema' | 'no usable time'

export interface Message {
  readonly bytes: Uint8Array
  /** What it is when nothing is wrong with it. */
  readonly item: Item | undefined
  readonly flaw: Flaw | undefined
}

export const ItemSchema: StandardSchemaV1<unknown, Item> = {
  '~standard': {
    version: 1,
    vendor: 'simulate',
    validate: (value) => {
      const { k, n } = Object(value) as Partial<Item>
      return typeof k === 'string' && typeof n === 'number'
        ? { value: value as Item }
        : { issues: [{ message: 'an item has k and n' }] }
    },
  },
}

export interface RecordPlan {
  readonly count: number
  readonly keys: number
  readonly stepMsMax: number
  readonly outOfOrderMs: number
  /** How much further behind a late record may be; 0: none is late. */
  readonly lateMs: number
  readonly flawed: number
}

/** In the order in which they are published; out of order in time no more than the bound, but for late ones. */
export function drawMessages(chance: Chance, plan: RecordPlan): Message[] {
  const { count, keys, stepMsMax, outOfOrderMs, lateMs, flawed } = plan
  let [time, newest] = [EPOCH_MS, EPOCH_MS]
  return Array.from({ length: count }, (_, index) => {
    time += chance.below(stepMsMax + 1)
    const isLate = lateMs > 0 && chance.is(0.1)
    const behindMs = isLate
      ? outOfOrderMs + 1 + chance.below(lateMs)
      : chance.below(outOfOrderMs + 1)
    const t = isLate ? newest - behindMs : Math.max(time - behindMs, newest - outOfOrderMs)
    const item = { k: KEYS[chance.below(keys)] ?? '', t, n: index + 1 }
    const message = chance.is(flawed) ? flawedMessage(chance, item) : soundMessage(item)
    if (message.item !== undefined) newest = Math.max(newest, t)
    return message
  })
}

const soundMessage = (item: Item): Message => ({
  bytes: Buffer.from(JSON.stringify(item)),
  item,
  flaw: undefined,
})

function flawedMessage(chance: Chance, item: Item): Message {
  const of = (flaw: Flaw, bytes: Uint8Array): Message => ({ bytes, item: undefined, flaw })
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
  switch (chance.below(6)) {
    case 0:
      return of('not JSON', json(item).subarray(0, -1))
    case 1:
      return of('not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d))
    case 2:
      return of('does not fit the schema', json({ ...item, k: 7 }))
    case 3:
      return of('no usable time', json({ ...item, t: null }))
    case 4:
      return of('no usable time', json({ ...item, t: Math.floor(item.t / 1_000) }))
    default:
      return of('no usable time', json({ ...item, t: item.t + 10 * 365 * MAX_AHEAD_MS }))
  }
}

export const EVENT_TIME_LIMITS = { maxAheadMs: MAX_AHEAD_MS, minTime: MIN_TIME }
