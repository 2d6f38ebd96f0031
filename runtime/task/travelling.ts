/** Which values can travel between tasks: what is left of them at the other end is what they were. */

/** Deeper values are refused: they are cycles, or as good as. */
const DEPTH_MAX = 100

/** Why a value cannot travel; undefined when it can. */
export function whatCannotTravel(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'function') return 'it holds a function, which stays in its task'
  if (typeof value === 'symbol') return 'it holds a symbol, which stays in its task'
  if (typeof value !== 'object' || value === null) return undefined
  return whatOfObject(value, depth)
}

/** The value itself if it can travel, else what its JSON says. */
export const travelling = (value: unknown): unknown =>
  whatCannotTravel(value) === undefined ? value : (JSON.parse(JSON.stringify(value)) as unknown)

function whatOfObject(value: object, depth: number): string | undefined {
  if (depth > DEPTH_MAX) return `it is nested deeper than ${DEPTH_MAX} levels, or in a circle`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    for (const field in value) {
      const problem = whatCannotTravel((value as Record<string, unknown>)[field], depth + 1)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  if (Array.isArray(value)) return firstProblem(value, depth)
  if (value instanceof Map)
    return firstProblem(value.keys(), depth) ?? firstProblem(value.values(), depth)
  if (value instanceof Set) return firstProblem(value, depth)
  if (value instanceof Date) return undefined
  return `it holds an object of class ${value.constructor.name}, of which only fields would arrive; hand on plain objects, arrays, Maps, Sets and Dates`
}

function firstProblem(values: Iterable<unknown>, depth: number): string | undefined {
  for (const value of values) {
    const problem = whatCannotTravel(value, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}
