import { describe, expect, it } from 'vitest'
import {
  actorRowKey,
  decodeKey,
  encodeKey,
  entryOf,
  entryRange,
  entryRowKey,
  KEY_GROUPS,
  inRowOrder,
  keyGroup,
  ownRowKey,
  keyProblem,
  readSortableNumber,
  writeSortableNumber,
} from '../../runtime/state/key-codec.ts'
import type { Key } from '../../operators/operator.ts'
import type { TimedKey } from '../../operators/state.ts'
import { BAD_KEYS, NASTY_KEYS } from '../support/keys.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('keys as bytes', () => {
  it('come back as they were', () => {
    for (const key of NASTY_KEYS) {
      expect(keyProblem(key)).toBeUndefined()
      expect(decodeKey(encodeKey(key))).toBe(key)
    }
  })

  it('are distinct for distinct keys', () => {
    expect(new Set(NASTY_KEYS.map((key) => hex(encodeKey(key)))).size).toBe(NASTY_KEYS.length)
  })

  it('take -0 for 0', () => {
    expect(hex(encodeKey(-0))).toBe(hex(encodeKey(0)))
    expect(Object.is(decodeKey(encodeKey(-0)), 0)).toBe(true)
  })

  it.each(BAD_KEYS)('are not made of %s', (key, reason) => {
    expect(keyProblem(key)).toMatch(reason)
  })
})

describe('sortable numbers', () => {
  const encoded = (number: number): Buffer => {
    const bytes = Buffer.alloc(12)
    writeSortableNumber(bytes, number, 2)
    return bytes
  }

  it('compare as the numbers do, and come back', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const view = new DataView(new ArrayBuffer(8))
    const numbers = [0, 1, -1, 5e-324, -5e-324, Infinity, -Infinity, 1.5, -1.5, 2 ** 53, -(2 ** 53)]
    while (numbers.length < 500) {
      view.setUint32(0, random() * 2 ** 32)
      view.setUint32(4, random() * 2 ** 32)
      const number = view.getFloat64(0)
      if (!Number.isNaN(number)) numbers.push(number)
      numbers.push(Math.floor(random() * 4e12) - 2e12)
    }
    const byNumber = numbers.toSorted((a, b) => a - b)
    const byBytes = numbers.toSorted((a, b) => Buffer.compare(encoded(a), encoded(b)))
    expect(byBytes, `seed ${seed}`).toEqual(byNumber)
    for (const number of numbers) expect(readSortableNumber(encoded(number), 2)).toBe(number)
  })
})

describe('row keys', () => {
  it('begin with the key group, so that a group is a range', () => {
    for (const key of NASTY_KEYS) {
      const bytes = encodeKey(key)
      const group = keyGroup(bytes)
      expect(group).toBeGreaterThanOrEqual(0)
      expect(group).toBeLessThan(KEY_GROUPS)
      expect(actorRowKey(7, bytes)[0]).toBe(group)
    }
  })

  it('are the same when they are made in one piece', () => {
    for (const key of NASTY_KEYS) {
      expect(hex(ownRowKey(300, key))).toBe(hex(actorRowKey(300, encodeKey(key))))
    }
  })

  it.each([0, 0.5, 1])(
    'come in order when their keys are ordered: %d of them numbers',
    (numbersShare) => {
      const seed = newSeed()
      const random = randomFrom(seed)
      const keys: Key[] = Array.from({ length: 3_000 }, () => {
        const number = Math.floor(random() * 4e9) - 2e9
        return random() < numbersShare ? number : `user ${number}`
      })
      const steps = inRowOrder(Int32Array.from(keys.keys()), (at) => keys[at] as Key)
      let step = steps.next()
      while (step.done !== true) step = steps.next()
      const order = [...step.value]
      expect(
        order.toSorted((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual([...keys.keys()])
      for (const kind of ['number', 'string']) {
        const rows = order.map((i) => keys[i] as Key).filter((key) => typeof key === kind)
        const made = rows.map((key) => hex(ownRowKey(1, key)))
        expect(made, `seed ${seed}`).toEqual(made.toSorted())
      }
    },
  )

  it('spread keys over all groups', () => {
    const groups = new Set<number>()
    for (let user = 0; user < 2_000; user++) groups.add(keyGroup(encodeKey(user)))
    expect(groups.size).toBe(KEY_GROUPS)
  })

  it('put the group of a key where it has always been: it is part of the stored format', () => {
    // FNV-1a 32 of the tag and the bytes, computed apart from the code.
    expect(keyGroup(encodeKey('a'))).toBe(fnv([2, 0x61]) % 128)
    expect(keyGroup(encodeKey(1))).toBe(fnv([1, 0xbf, 0xf0, 0, 0, 0, 0, 0, 0]) % 128)
  })

  it('put entries by time in the order of time, and of arrival within a time', () => {
    const own = actorRowKey(3, encodeKey('k'))
    const entries: TimedKey[] = [
      [Number.NEGATIVE_INFINITY, 0],
      [-1.7e12, 5],
      [-1, 2 ** 47],
      [0, 0],
      [0, 255],
      [0, 256],
      [1.7e12, 3],
      [1.7e12 + 1, 0],
      [Number.POSITIVE_INFINITY, 0],
    ]
    const rows = entries.map((entry) => entryRowKey(own, 2, entry))
    expect(rows.map((row) => entryOf(row, own))).toEqual(entries)
    const sorted = rows.toSorted((a, b) => Buffer.compare(a, b))
    expect(sorted.map(hex)).toEqual(rows.map(hex))
    const { start, end } = entryRange(own, 2)
    for (const row of rows) {
      expect(Buffer.compare(row, start) > 0 && Buffer.compare(row, end) < 0).toBe(true)
    }
  })

  it('are distinct over operators, keys, cells and entries, and no range holds a stranger', () => {
    const seen = new Map<string, string>()
    for (const operator of [0, 1, 255, 256]) {
      for (const key of NASTY_KEYS) {
        const own = actorRowKey(operator, encodeKey(key))
        const name = `${operator}/${typeof key}/${key}`
        const rows: [string, Uint8Array][] = [[name, own]]
        for (const cell of [0, 1]) {
          for (const entry of NASTY_KEYS.slice(0, 30)) {
            const row = entryRowKey(own, cell, entry)
            expect(entryOf(row, own)).toBe(entry)
            rows.push([`${name}/${cell}/${typeof entry}/${entry}`, row])
          }
        }
        for (const [label, row] of rows) {
          expect(seen.get(hex(row)), label).toBeUndefined()
          seen.set(hex(row), label)
        }
      }
    }
    const keyA = actorRowKey(0, encodeKey('a'))
    const { start, end } = entryRange(keyA, 1)
    const [low, high] = [hex(start), hex(end)]
    const inRange = [...seen].filter(([row]) => row >= low && row < high).map(([, label]) => label)
    expect(inRange).toHaveLength(30)
    expect(inRange.every((label) => label.startsWith('0/string/a/1/'))).toBe(true)
  })
})

function fnv(bytes: readonly number[]): number {
  let hash = 2_166_136_261n
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 16_777_619n) % 2n ** 32n
  return Number(hash)
}
