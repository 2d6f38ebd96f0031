import { describe, expect, it } from 'vitest'
import { StateError } from '../../runtime/errors.ts'
import { crc32 } from '../../runtime/state/crc32.ts'
import { decodeRow, encodeRow } from '../../runtime/state/row-codec.ts'

const VALUES: readonly unknown[] = [
  null,
  undefined,
  0,
  -1.5,
  2 ** 53,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  '',
  'naïve 😀',
  true,
  [],
  [1, [2, ['x']]],
  {},
  { a: 1, b: { c: [null] } },
  { constructor: 1, 'a.b': 2 },
  new Date(5),
  123n,
  new Set([1, 'a']),
]

describe('rows', () => {
  it('give back values and the epoch', () => {
    for (const value of VALUES) {
      const row = encodeRow(value, 2 ** 40 + 7)
      expect(decodeRow(row, 'a row')).toEqual({ epoch: 2 ** 40 + 7, value })
    }
  })

  it('give back bytes', () => {
    const row = encodeRow(Buffer.from([0, 1, 255]), 1)
    expect(Buffer.from(decodeRow(row, 'a row').value as Uint8Array)).toEqual(
      Buffer.from([0, 1, 255]),
    )
  })

  it('tell of every flipped bit', () => {
    const row = encodeRow({ user: 'a', films: [1, 2, 3], since: 1.5 }, 3)
    for (let bit = 0; bit < row.length * 8; bit++) {
      const damaged = Buffer.from(row)
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(() => decodeRow(damaged, 'the state of key "a"')).toThrow(StateError)
    }
  })

  it('tell of every cut', () => {
    const row = encodeRow({ user: 'a', films: [1, 2, 3] }, 3)
    for (let length = 0; length < row.length; length++) {
      expect(() => decodeRow(row.subarray(0, length), 'the state of key "a"')).toThrow(
        /the state of key "a" is damaged in the store/,
      )
    }
  })

  it('of another format are refused by its number', () => {
    const row = Buffer.from(encodeRow(1, 1))
    row[4] = 2
    row.writeUInt32BE(crc32(row, 4), 0)
    expect(() => decodeRow(row, 'a row')).toThrow(/row format 2; .* reads format 1/)
  })

  it('are not disturbed by rows made after them', () => {
    const rows = VALUES.map((value, epoch) => encodeRow(value, epoch))
    expect(rows.map((row) => decodeRow(row, 'a row').value)).toEqual(VALUES)
  })
})

describe('crc32', () => {
  it('is the checksum of the standard, short and long', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926)
    expect(crc32(Buffer.from('xx123456789'), 2)).toBe(0xcbf43926)
    expect(crc32(Buffer.alloc(32))).toBe(0x190a55ad)
    expect(crc32(new Uint8Array())).toBe(0)
    const long = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255))
    expect(crc32(long)).toBe(slowCrc(long))
    expect(crc32(long, 270)).toBe(slowCrc(long.subarray(270)))
  })
})

function slowCrc(bytes: Uint8Array): number {
  let remainder = 0xffffffff
  for (const byte of bytes) {
    remainder ^= byte
    for (let bit = 0; bit < 8; bit++) {
      const out = remainder & 1
      remainder >>>= 1
      if (out === 1) remainder ^= 0xedb88320
    }
  }
  return (remainder ^ 0xffffffff) >>> 0
}
