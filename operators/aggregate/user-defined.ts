import type { Aggregate } from './aggregate.ts'

/**
 * An aggregate of the user's own. All functions are pure: the same arguments give the same result,
 * so that a replay does too.
 */
export interface AggregateDefinition<In, Acc, Out> {
  /**
   * The accumulator of no values, a fresh one at each call: each window changes its own. Plain data
   * (numbers, text, booleans, null, arrays and plain objects of these), because it is stored.
   */
  init: () => Acc
  /**
   * The accumulator with one more value: a new one, or the one it was given, changed; then it
   * throws, if at all, before the change.
   */
  add: (accumulator: Acc, value: In) => Acc
  /**
   * The accumulator of two parts of the values, where all of `left` are earlier: a new one. Both
   * parts stay as they are, and are merged again for other windows.
   */
  merge: (left: Acc, right: Acc) => Acc
  /** What goes on to the next operator; asked once or several times, and changes nothing. */
  result: (accumulator: Acc) => Out
  /**
   * What is left of `total` without `part`, its earliest values: makes long sliding windows cheap.
   * Give it only where it is exact, as for whole numbers: sums of fractions would drift. It gives a
   * new accumulator too.
   */
  subtract?: (total: Acc, part: Acc) => Acc
  /**
   * `add` in two, for an aggregate that changes its accumulator in place and stands beside others:
   * what may throw, and `fold`, which takes what it gave and never does. With both, nothing is half
   * done when a neighbour fails.
   */
  read?: (value: In) => unknown
  fold?: (accumulator: Acc, read: unknown) => Acc
}

const REQUIRED = ['init', 'add', 'merge', 'result'] as const
const OPTIONAL = ['subtract', 'read', 'fold'] as const
const NAMES: readonly string[] = [...REQUIRED, ...OPTIONAL]

/**
 * An aggregate from functions of your own, to be used as the built-in ones are. What is wrong in
 * the definition fails here; a function that later gives nothing, or a promise, fails the record.
 * @throws TypeError when a function is missing or no function, when there is one that is not known,
 * or when `init` gives what cannot be stored, or the same object twice.
 */
export function aggregate<In, Acc, Out>(
  definition: AggregateDefinition<In, Acc, Out>,
): Aggregate<In, Acc, Out> {
  checkFunctions(definition)
  checkInit(definition.init)
  const { init, add, merge, result, subtract, read, fold } = definition
  return {
    kind: 'aggregate',
    init,
    add: (accumulator, value) => given(add(accumulator, value), 'add'),
    merge: (left, right) => given(merge(left, right), 'merge'),
    result: (accumulator) => given(result(accumulator), 'result'),
    ...(subtract && { subtract: (total, part) => given(subtract(total, part), 'subtract') }),
    ...(read && { read: (value) => given(read(value), 'read') }),
    ...(fold && { fold: (accumulator, value) => given(fold(accumulator, value), 'fold') }),
  }
}

function checkFunctions(definition: object): void {
  if (typeof definition !== 'object' || definition === null) {
    throw new TypeError('aggregate: give an object with the functions init, add, merge and result')
  }
  const functions = new Map<string, unknown>(Object.entries(definition))
  for (const name of functions.keys()) {
    if (!NAMES.includes(name)) {
      throw new TypeError(`aggregate: there is no '${name}'; its functions are ${NAMES.join(', ')}`)
    }
  }
  for (const name of NAMES) {
    const found = functions.get(name)
    if (typeof found === 'function') continue
    const isMissing = found === undefined
    if (isMissing && !(REQUIRED as readonly string[]).includes(name)) continue
    throw new TypeError(`aggregate: ${name} is ${isMissing ? 'missing' : 'not a function'}`)
  }
  if (functions.has('read') !== functions.has('fold')) {
    throw new TypeError('aggregate: read and fold are two halves of add: give both or neither')
  }
}

function checkInit(init: () => unknown): void {
  const [first, second] = [init(), init()]
  const problem = notPlain(first)
  if (problem !== undefined) {
    throw new TypeError(
      `aggregate: init gives ${problem}; accumulators are stored: use numbers, text, booleans, null, arrays and plain objects`,
    )
  }
  if (typeof first === 'object' && first !== null && first === second) {
    throw new TypeError(
      'aggregate: init gives the same object each time, which all windows would share: make it inside the function',
    )
  }
}

/** What in a value does not come back from the store as it was; undefined if all does. */
function notPlain(value: unknown): string | undefined {
  if (value === null) return undefined
  if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (!Array.isArray(value) && prototype !== Object.prototype) return nameOf(value)
    return Object.values(value)
      .map(notPlain)
      .find((problem) => problem !== undefined)
  }
  if (['number', 'string', 'boolean'].includes(typeof value)) return undefined
  return value === undefined ? 'undefined' : `a ${typeof value}`
}

function nameOf(value: object): string {
  const made: unknown = value.constructor
  return typeof made === 'function' ? `a ${made.name}` : 'an object without a class'
}

function given<Value>(value: Value, from: string): Value {
  if (value === undefined) {
    throw new TypeError(`aggregate: ${from} gave nothing (is a return missing?)`)
  }
  if (typeof value === 'object' && value !== null && 'then' in value) {
    throw new TypeError(`aggregate: ${from} gave a promise; it must give the value itself`)
  }
  return value
}
