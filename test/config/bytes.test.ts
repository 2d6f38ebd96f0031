import { describe, expect, test } from 'vitest'
import { bytes } from '../../config/bytes.ts'

describe('bytes', () => {
  test.each([
    [0, 0],
    [1024, 1024],
    ['17B', 17],
    ['512kB', 512_000],
    ['512KB', 512_000],
    ['64MB', 64_000_000],
    ['1.5 MB', 1_500_000],
    ['2GB', 2_000_000_000],
    ['1KiB', 1_024],
    ['1MiB', 1_048_576],
    ['1GiB', 1_073_741_824],
  ])('%j is %d bytes', (size, expected) => {
    expect(bytes(size)).toBe(expected)
  })

  test.each(['', 'MB', '1', '-1MB', '1TB', '1 M B', '0.3B', 1.5, -1, Number.NaN, 2 ** 60])(
    '%j is refused with how to write it',
    (size) => {
      expect(() => bytes(size, 'cache.bytes')).toThrow(
        /cache\.bytes: .* is not a size; write .*64MB/,
      )
    },
  )
})
