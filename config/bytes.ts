/** Sizes in manifests: whole bytes, the only unit inside the runtime. */

/** Bytes as a number, or a number with a unit: '512kB', '64MB', '1MiB'. */
export type ByteSize = number | string

/** kB, MB and GB are powers of 1000; KiB, MiB and GiB are powers of 1024. */
const UNIT_BYTES: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1_000],
  ['mb', 1_000_000],
  ['gb', 1_000_000_000],
  ['kib', 1_024],
  ['mib', 1_048_576],
  ['gib', 1_073_741_824],
])

/**
 * Bytes of a size.
 * @param what names the setting in the error.
 * @throws RangeError when it is not a whole, non-negative number of bytes with a known unit.
 */
export function bytes(size: ByteSize, what = 'size'): number {
  const parsed = typeof size === 'number' ? size : parse(size)
  if (!Number.isSafeInteger(parsed) || parsed < 0) {
    throw new RangeError(
      `${what}: ${JSON.stringify(size)} is not a size; write whole bytes or a number with a unit, as in '512kB', '64MB' or '1GiB'`,
    )
  }
  return parsed
}

function parse(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim())
  const unit = UNIT_BYTES.get(match?.[2]?.toLowerCase() ?? '')
  return unit === undefined ? Number.NaN : Number(match?.[1]) * unit
}
