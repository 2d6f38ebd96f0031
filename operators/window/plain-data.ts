/**
 * A copy of plain data: arrays, objects and Maps all the way down. Numbers, texts and instances of
 * classes (which plain data has none of) are the same in both.
 */
export function copyOf<Value>(data: Value): Value
export function copyOf(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data
  if (Array.isArray(data)) return data.map((entry: unknown) => copyOf(entry))
  if (data instanceof Map) {
    return new Map(Array.from(data, ([key, value]: [unknown, unknown]) => [key, copyOf(value)]))
  }
  if (data instanceof Set) return new Set(data)
  const prototype: unknown = Object.getPrototypeOf(data)
  if (prototype !== Object.prototype && prototype !== null) return data
  const copy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(data)) copy[key] = copyOf(value)
  return copy
}
