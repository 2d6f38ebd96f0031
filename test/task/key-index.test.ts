import { expect, test } from 'vitest'
import { KeyIndex, NO_SLOT } from '../../runtime/task/key-index.ts'
import { newSeed, randomFrom } from '../support/random.ts'

test('an index of keys is what a Map would be', () => {
  const seed = newSeed()
  const random = randomFrom(seed)
  for (let round = 0; round < 20; round++) {
    const index = new KeyIndex()
    const model = new Map<string | number, number>()
    const span = [4, 100, 5_000, 2 ** 33][round % 4] as number
    const key = (): string | number => {
      const number = Math.floor((random() - 0.5) * span)
      return random() < 0.1 ? String(number) : random() < 0.1 ? number / 7 : number + 0
    }
    for (let step = 0; step < 4_000; step++) {
      const [of, slot] = [key(), Math.floor(random() * 1e6)]
      const choice = random()
      if (choice < 0.5) {
        index.set(of, slot)
        model.set(of, slot)
      } else if (choice < 0.8) {
        index.delete(of)
        model.delete(of)
      }
      expect(index.get(of), `seed ${seed}`).toBe(model.get(of) ?? NO_SLOT)
      expect(index.size, `seed ${seed}`).toBe(model.size)
    }
    for (const [of, slot] of model) expect(index.get(of), `seed ${seed}`).toBe(slot)
  }
})

test('an index of keys that count from zero, and then do not, is what a Map would be', () => {
  const seed = newSeed()
  const random = randomFrom(seed)
  for (let round = 0; round < 20; round++) {
    const index = new KeyIndex()
    const model = new Map<number, number>()
    const check = (): void => {
      expect(index.size, `seed ${seed}`).toBe(model.size)
      for (const [of, slot] of model) expect(index.get(of), `seed ${seed}`).toBe(slot)
      for (const of of [-1, -(2 ** 31), 2 ** 31 - 1, 3_000, 70_000, 2 ** 32 - 1]) {
        expect(index.get(of), `seed ${seed}`).toBe(model.get(of) ?? NO_SLOT)
      }
    }
    for (let part = 0; part < 12; part++) {
      // Dense ranges, ever larger ones, and now and then keys far away or below zero.
      const span = 2 ** Math.floor(random() * 14)
      const from = random() < 0.15 ? Math.floor((random() - 0.5) * 2 ** 32) : 0
      for (let step = 0; step < 500; step++) {
        const of = (from + Math.floor(random() * span)) | 0
        if (random() < 0.8) {
          index.set(of, step)
          model.set(of, step)
        } else {
          index.delete(of)
          model.delete(of)
        }
      }
      check()
      if (random() < 0.1) {
        index.clear()
        model.clear()
        check()
      }
    }
  }
})
