import { expect, test } from 'vitest'
import { minimise } from '../../runtime/parity/minimise.ts'

const range = Array.from({ length: 200 }, (_, i) => i)

test.each([
  [[117], 'one item'],
  [[3, 150], 'two that are far apart'],
  [[0, 1, 99, 199], 'four'],
])('what shows with %o is found: %s', async (needed) => {
  const shows = async (items: readonly number[]): Promise<boolean> =>
    needed.every((item) => items.includes(item))
  expect(await minimise(range, shows, 10_000)).toEqual(needed)
})

test('the number of looks is bounded, and what was found by then still shows it', async () => {
  let looks = 0
  const shows = async (items: readonly number[]): Promise<boolean> => {
    looks += 1
    return items.includes(7) && items.includes(190)
  }
  const found = await minimise(range, shows, 10)
  expect(looks).toBeLessThanOrEqual(10)
  expect(found).toEqual(expect.arrayContaining([7, 190]))
  expect(found.length).toBeLessThan(200)
})
