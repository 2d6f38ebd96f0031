/** A key as it is written on a command line. */

type Written = string | number

/** `17` may be the number or the text: the number comes first, '"17"' is the text. */
export function keysOf(written: string): readonly [Written, ...Written[]] {
  try {
    const parsed: unknown = JSON.parse(written)
    if (typeof parsed === 'number') return [parsed, written]
    if (typeof parsed === 'string') return [parsed, written]
  } catch {
    // Not JSON: a text as it is.
  }
  return [written]
}
