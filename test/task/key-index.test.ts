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
