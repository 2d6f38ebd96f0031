/** Slots of keys and their rows against plain maps, on random steps. */
import { describe, expect, it } from 'vitest'
import type { Key } from '../../operators/operator.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { ExpiryLine } from '../../runtime/task/expiry-line.ts'
import { KeyedSlots } from '../../runtime/task/keyed-slots.ts'
import { SlotRows } from '../../runtime/task/slot-rows.ts'
import { takeSteps } from '../../runtime/time/turns.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const LIMITS = { entriesMax: 50, bytesMax: Number.POSITIVE_INFINITY }

/** The content of each slot is a number of its own. */
class NumberedSlots extends KeyedSlots {
  readonly numbers: number[] = []

  add(key: Key, number: number): number {
    const slot = this.make(key, this.firstOf(key))
    this.numbers[slot] = number
    return slot
  }

  numbersOf(first: number): number[] {
    const numbers: number[] = []
    for (let slot = first; slot !== -1; slot = this.nextOf(slot)) {
      numbers.push(this.numbers[slot] as number)
    }
    return numbers
  }
}

function rowsOn(store: MemoryStore, limits = LIMITS) {
  const slots = new NumberedSlots()
  const options = { store, number: 1, limits, mayHaveStored: false, slotBytes: 100 }
  return { slots, rows: new SlotRows(slots, options) }
}

describe('slots of keys', () => {
  it('and their rows are at every time what was put into them', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const store = new MemoryStore(new MemoryDisk())
    const { slots, rows } = rowsOn(store)
    const expected = new Map<Key, number[]>()
    const load = (key: Key): void => {
      if (slots.firstOf(key) !== -1) return
      const stored = (rows.read(key, 'numbers') ?? []) as number[]
      for (const number of stored.toReversed()) {
        slots.flags.mark(slots.add(key, number), 1)
      }
    }
    for (let step = 1; step <= 4_000; step++) {
      const number = Math.floor(random() * (step < 2_000 ? 600 : 60))
      const key = random() < 0.5 ? number : `k${number}`
      load(key)
      const of = expected.get(key) ?? []
      if (random() < 0.6) {
        slots.noteChanged(slots.add(key, step))
        expected.set(key, [step, ...of])
      } else if (of.length > 0) {
        const at = Math.floor(random() * of.length)
        let slot = slots.firstOf(key)
        for (let i = 0; i < at; i++) slot = slots.nextOf(slot)
        rows.free(slot)
        expected.set(key, of.toSpliced(at, 1))
      }
      if (step % 250 !== 0) continue
      await store.commit((writer) => rows.write(writer, step, (first) => slots.numbersOf(first)))
      await takeSteps(rows.evict(), undefined)
      for (const [each, numbers] of expected) {
        const first = slots.firstOf(each)
        const found = first === -1 ? (rows.read(each, 'numbers') ?? []) : slots.numbersOf(first)
        expect(found, `seed ${seed}, step ${step}, key ${each}`).toEqual(numbers)
      }
    }
    const filled = [...expected.values()].filter(({ length }) => length > 0)
    expect(store.count('state'), `seed ${seed}`).toBe(filled.length)
  })

  it('end an epoch only when what changed takes half of the room, and there is no other', async () => {
    const { slots, rows } = rowsOn(new MemoryStore(new MemoryDisk()))
    for (let key = 0; key < 50; key++) slots.noteChanged(slots.add(key, 0))
    expect(rows.isCrowded).toBe(false)
    slots.noteChanged(slots.add(50, 0))
    expect(rows.isCrowded).toBe(true)
    await takeSteps(slots.takeChanged(), undefined)
    for (let key = 0; key < 24; key++) slots.noteChanged(slots.firstOf(key))
    expect(rows.isCrowded).toBe(false)
    slots.noteChanged(slots.firstOf(24))
    expect(rows.isCrowded).toBe(true)
  })
})

it('a line gives what was pushed, in order, however long it gets', () => {
  const seed = newSeed()
  const random = randomFrom(seed)
  const line = new ExpiryLine()
  const expected: [time: number, slot: number][] = []
  for (let step = 0; step < 5_000; step++) {
    if (random() < 0.6) {
      const time = Math.max(Math.floor(step / 3), line.lastTime)
      line.push(time, step, -step)
      expected.push([time, step])
    } else if (expected.length > 0) {
      const [time, slot] = expected.shift() as [number, number]
      expect([line.firstTime, line.firstSlot, line.firstNumber], `seed ${seed}`).toEqual([
        time,
        slot,
        -slot,
      ])
      line.removeFirst()
    }
  }
  expect(expected.length).toBeGreaterThan(256)
  while (line.firstTime !== Number.POSITIVE_INFINITY) line.removeFirst()
  expect(line.lastTime).toBe(Number.NEGATIVE_INFINITY)
})
