import { expect, it } from 'vitest'
import { testJob, type TestJob } from 'millrace/testing'
import { newSeed, randomFrom } from '../support/random.ts'
import { Model, NAMES, obeying, type Op, type Order } from './actor-model.ts'

const OPS = ['timer', 'cancel', 'set', 'clear', 'put', 'drop', 'push', 'shift'] as const
const BOUND_MS = 10

function randomOrders(random: () => number, count: number): Order[] {
  const below = (limit: number): number => Math.floor(random() * limit)
  let time = 100
  return Array.from({ length: count }, () => {
    time += random() < 0.05 ? below(120) : below(6)
    const ops = Array.from({ length: below(5) }, (): Op => {
      const choice = random()
      const name = NAMES[below(NAMES.length)] ?? 'a'
      if (choice < 0.04) return { do: 'throw', name, by: 0 }
      if (choice < 0.06) return { do: 'forget', name, by: 0 }
      return { do: OPS[below(OPS.length)] ?? 'set', name, by: below(60) - 10 }
    })
    // Some come later than the bound: an actor takes them all the same.
    return { key: `k${below(3)}`, timestamp: time - below(random() < 0.1 ? 40 : 10), ops }
  })
}

function expectedOf(orders: readonly Order[]): Model {
  const model = new Model()
  let latest = Number.NEGATIVE_INFINITY
  for (const order of orders) {
    model.record(order)
    latest = Math.max(latest, order.timestamp)
    model.advance(latest - BOUND_MS - 1)
  }
  return model
}

const byKey = (texts: readonly string[]): string[][] =>
  ['k0', 'k1', 'k2'].map((key) => texts.filter((text) => text.startsWith(key)))

function disturb(t: TestJob, random: () => number): void {
  const choice = random()
  if (choice < 0.05) t.crash()
  else if (choice < 0.1) t.kill()
  else if (choice < 0.15) t.reopen({ batchRecordsMax: 1 + Math.floor(random() * 9) })
}

it('timers and times to live are those of a plain model, whatever the batches, evictions and crashes', async () => {
  const seed = newSeed()
  for (let round = 0; round < 60; round++) {
    const random = randomFrom(seed + round)
    const orders = randomOrders(random, 60)
    const model = expectedOf(orders)
    const hint = `seed ${seed + round}`
    const isCalm = round % 3 === 0
    const t = await testJob(obeying, {
      eventTime: { orders: { outOfOrder: BOUND_MS } },
      cache: { entries: round % 2 === 0 ? 1 : 100 },
      batchRecordsMax: 1 + Math.floor(random() * 20),
      commit: { records: 1 + Math.floor(random() * 30) },
    })
    for (let at = 0; at < orders.length;) {
      const run = 1 + Math.floor(random() * 12)
      t.push('orders', ...orders.slice(at, at + run))
      at += run
      if (!isCalm) disturb(t, random)
    }
    const texts = (await t.output<{ text: string }>('out')).map(({ text }) => text)
    expect(byKey(texts), hint).toEqual(byKey(model.out))
    expect((await t.counters()).deadLettered, hint).toBe(model.failures)
    await t.close()
  }
})
