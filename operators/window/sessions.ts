/**
 * Sessions with one gap for all records that fire once, at their end: the runtime keeps the open ones of
 * all keys in columns, as it keeps slices. All others are key actors: see SessionWindowOperator, whose
 * rules these are.
 */
import type { Aggregate } from '../aggregate/aggregate.ts'
import { type Column, columnOf } from '../aggregate/column.ts'
import type { Key } from '../operator.ts'
import type { Milliseconds } from '../time.ts'
import { onlyResult, type Window } from './window.ts'

/** What the runtime is told of such an operator. */
export interface SessionOperator {
  readonly kind: 'sessions'
  /** Version of the shape of the accumulators. */
  readonly version: number
  readonly gapMs: Milliseconds
  readonly aggregate: Aggregate<unknown, unknown, unknown>
  /** An empty column for the accumulators of all sessions. */
  column(): Column
  /** What is handed on when a session ends; user code may throw in it. */
  close(column: Column, slot: number, key: Key, session: Window): unknown
}

export const sessionOperator = (
  gapMs: Milliseconds,
  aggregate: Aggregate<unknown, unknown, unknown>,
  keyed: boolean,
): SessionOperator => ({
  kind: 'sessions',
  version: 1,
  gapMs,
  aggregate,
  column: () => columnOf(aggregate),
  close: (column, slot, key, window) => onlyResult(key, column.result(slot), window, keyed),
})
