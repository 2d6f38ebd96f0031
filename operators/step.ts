/** The stateless operators. User code that throws, throws before anything was handed on. */
import type { Key, Step } from './operator.ts'

/** One value for each value; keeps time and key. */
export const map =
  (fn: (value: unknown) => unknown): Step =>
  (next, context) =>
  (value, time, key) => {
    let result: unknown
    try {
      result = fn(value)
    } catch (error) {
      const again = context.recover({ error, key, value }, () => fn(value))
      if (again === undefined) return
      result = again.value
    }
    next(result, time, key)
  }

/** Keeps the values for which the predicate is true. */
export const filter =
  (predicate: (value: unknown) => boolean): Step =>
  (next, context) =>
  (value, time, key) => {
    let kept: boolean
    try {
      kept = predicate(value)
    } catch (error) {
      const again = context.recover({ error, key, value }, () => predicate(value))
      if (again === undefined) return
      kept = again.value
    }
    if (kept) next(value, time, key)
  }

/** Any number of values for each value; keeps time and key. */
export const flatMap =
  (fn: (value: unknown) => Iterable<unknown>): Step =>
  (next, context) =>
  (value, time, key) => {
    // The results are taken whole before the first is handed on: a generator may throw half-way.
    let results: readonly unknown[]
    try {
      results = [...fn(value)]
    } catch (error) {
      const again = context.recover({ error, key, value }, () => [...fn(value)])
      if (again === undefined) return
      results = again.value
    }
    for (const result of results) next(result, time, key)
  }

/** Gives each value its key. */
export const keyBy =
  (fn: (value: unknown) => Key, check: (key: Key) => string | undefined): Step =>
  (next, context) =>
  (value, time, before) => {
    let key: Key
    try {
      key = fn(value)
    } catch (error) {
      const again = context.recover({ error, key: before, value }, () => fn(value))
      if (again === undefined) return
      key = again.value
    }
    // Whole numbers are the common key and always fit; everything else is looked at.
    if (!Number.isInteger(key)) {
      const problem = check(key)
      if (problem !== undefined) {
        context.reject(problem, before)
        return
      }
    } else if (key === 0) key = 0 // -0 and 0 are one key
    next(value, time, key)
  }
