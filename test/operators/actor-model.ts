/**
 * A key actor that does as its records say and tells all it sees; and what it should tell, from a
 * model of plain maps that looks at everything at every step.
 */
import { actor, job, list, map, value, type KeyTurn } from 'millrace'
import * as z from 'zod'

export interface Order {
  readonly key: string
  readonly timestamp: number
  readonly ops: readonly Op[]
}

const Op = z.object({
  do: z.enum([
    'timer',
    'cancel',
    'set',
    'clear',
    'put',
    'drop',
    'push',
    'shift',
    'throw',
    'forget',
  ]),
  name: z.string().default('a'),
  by: z.number().default(0),
})
export type Op = z.infer<typeof Op>

const Order = z.object({ key: z.string(), timestamp: z.number(), ops: z.array(Op) })

export const LIFE_MS = { one: 40, byName: 25, all: 30, read: 20 } as const
export const NAMES = ['a', 'b', 'chain'] as const

const cells = {
  one: value<number>({ ttl: { eventTime: LIFE_MS.one } }),
  byName: map<string, number>(),
  all: list<number>({ ttl: { eventTime: LIFE_MS.all } }),
  read: value<number>({ ttl: { eventTime: LIFE_MS.read, refresh: 'readAndWrite' } }),
}
type Turn = KeyTurn<typeof cells, string>

/** All an actor can see, as text. */
export const seenText = (what: string, state: Seen): string => `${what} ${JSON.stringify(state)}`
export interface Seen {
  readonly one: number | null
  readonly byName: readonly (readonly [string, number])[]
  readonly all: readonly number[]
  readonly read: number | null
}

function tell(what: string, key: Turn): void {
  const { one, byName, all, read } = key.state
  const seen: Seen = {
    one: one.get() ?? null,
    byName: [...byName],
    all: all.toArray(),
    read: read.get() ?? null,
  }
  if (byName.size !== seen.byName.length || all.length !== seen.all.length) throw new Error('size')
  if (byName.isEmpty !== (byName.size === 0) || one.isEmpty !== (seen.one === null)) {
    throw new Error('isEmpty')
  }
  key.emit(seenText(`${key.id} ${what}`, seen))
}

function obey(op: Op, key: Turn): void {
  const { one, byName, all, read } = key.state
  switch (op.do) {
    case 'timer':
      return key.timer(op.name, key.time + op.by)
    case 'cancel':
      return key.cancel(op.name)
    case 'set':
      one.set(op.by)
      return read.set(op.by)
    case 'clear':
      return one.clear()
    case 'put':
      return byName.set(op.name, op.by)
    case 'drop':
      return void byName.delete(op.name)
    case 'push':
      return all.push(op.by)
    case 'shift':
      return void all.shift()
    case 'forget':
      return key.forget()
    case 'throw':
      throw new Error('told to')
  }
}

const obedient = actor('obedient', {
  state: cells,
  ttl: { eventTime: LIFE_MS.byName },
  onRecord(order: z.infer<typeof Order>, key: Turn) {
    for (const op of order.ops) obey(op, key)
    tell(`record ${order.timestamp}`, key)
  },
  onTimer: {
    a: (key) => tell(`a ${key.time}`, key),
    b(key) {
      key.state.byName.set('b', key.time)
      tell(`b ${key.time}`, key)
    },
    chain(key) {
      tell(`chain ${key.time}`, key)
      key.timer('a', key.time)
      if (key.time % 3 !== 0) key.timer('chain', key.time + 7)
    },
  },
})

export const obeying = job('obeying', ({ source, sink }) => {
  source('orders', Order)
    .keyBy((order) => order.key)
    .process(obedient, { onError: { deadLetterAfter: 1 } })
    .map((text) => ({ text }))
    .to(sink('out'))
})

// ── the model ──────────────────────────────────────────────────────────────────────────────────

interface Entry {
  readonly value: number
  readonly at: number
}

interface KeyModel {
  now: number
  readonly timers: Map<string, number>
  one: Entry | undefined
  read: Entry | undefined
  readonly byName: Map<string, Entry>
  all: Entry[]
}

export class Model {
  readonly out: string[] = []
  failures = 0
  #watermark = Number.NEGATIVE_INFINITY
  #keys = new Map<string, KeyModel>()

  record({ key, timestamp, ops }: Order): void {
    const model = this.#keys.get(key) ?? newKey()
    model.now = this.#watermark
    const draft = structuredClone(model)
    const emitted: string[] = []
    try {
      for (const op of ops) this.#obey(op, draft, timestamp)
      emitted.push(this.#tell(`${key} record ${timestamp}`, draft, timestamp))
      this.#keys.set(key, draft)
      this.out.push(...emitted)
    } catch {
      this.failures += 1
      this.#keys.set(key, model)
    }
    this.#fire(key)
  }

  advance(watermark: number): void {
    if (watermark <= this.#watermark) return
    this.#watermark = watermark
    for (const key of this.#keys.keys()) this.#fire(key)
  }

  #fire(key: string): void {
    const model = this.#keys.get(key) as KeyModel
    for (;;) {
      const [due] = [...model.timers]
        .filter(([, at]) => at <= this.#watermark)
        .toSorted(([a, at], [b, other]) => at - other || (a < b ? -1 : 1))
      if (due === undefined) return
      const [name, at] = due
      model.now = Math.max(model.now, at)
      model.timers.delete(name)
      if (name === 'b') model.byName.set('b', this.#stamped(at, model, at))
      this.out.push(this.#tell(`${key} ${name} ${at}`, model, at))
      if (name === 'chain') {
        model.timers.set('a', at)
        if (at % 3 !== 0) model.timers.set('chain', at + 7)
      }
    }
  }

  #obey(op: Op, model: KeyModel, time: number): void {
    if (op.do === 'throw') throw new Error('told to')
    else if (op.do === 'timer') model.timers.set(op.name, time + op.by)
    else if (op.do === 'cancel') model.timers.delete(op.name)
    else if (op.do === 'set') {
      model.one = this.#stamped(op.by, model, time)
      model.read = this.#stamped(op.by, model, time)
    } else if (op.do === 'clear') model.one = undefined
    else if (op.do === 'put') model.byName.set(op.name, this.#stamped(op.by, model, time))
    else if (op.do === 'drop') model.byName.delete(op.name)
    else if (op.do === 'push') {
      this.#seen(model)
      const { value: pushed, at } = this.#stamped(op.by, model, time)
      model.all.push({ value: pushed, at: Math.max(at, model.all.at(-1)?.at ?? at) })
    } else if (op.do === 'shift') {
      this.#seen(model)
      model.all.shift()
    } else {
      Object.assign(model, { ...newKey(), now: model.now })
    }
  }

  #stamped(given: number, model: KeyModel, time: number): Entry {
    return { value: given, at: Math.max(time, model.now) }
  }

  #tell(what: string, model: KeyModel, time: number): string {
    const seen = this.#seen(model)
    if (model.read !== undefined && seen.read !== null) {
      model.read = { value: seen.read, at: Math.max(model.read.at, time, model.now) }
    }
    return seenText(what, seen)
  }

  /** Forgets what is over, and shows the rest. */
  #seen(model: KeyModel): Seen {
    const lives = (life: number) => (entry: Entry | undefined) =>
      entry !== undefined && model.now < entry.at + life
    if (!lives(LIFE_MS.one)(model.one)) model.one = undefined
    if (!lives(LIFE_MS.read)(model.read)) model.read = undefined
    for (const [name, entry] of model.byName) {
      if (!lives(LIFE_MS.byName)(entry)) model.byName.delete(name)
    }
    model.all = model.all.filter(lives(LIFE_MS.all))
    return {
      one: model.one?.value ?? null,
      byName: [...model.byName]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, entry]) => [name, entry.value] as const),
      all: model.all.map((entry) => entry.value),
      read: model.read?.value ?? null,
    }
  }
}

const newKey = (): KeyModel => ({
  now: Number.NEGATIVE_INFINITY,
  timers: new Map(),
  one: undefined,
  read: undefined,
  byName: new Map(),
  all: [],
})
