/** Which records of a join leave it without a partner. */
export type JoinKind = 'inner' | 'left' | 'right' | 'outer'

export const JOIN_KINDS: readonly JoinKind[] = ['inner', 'left', 'right', 'outer']

/** The left value a join's function is given: it may be missing where right records leave alone. */
export type LeftOf<Left, Kind extends JoinKind> = Kind extends 'right' | 'outer'
  ? Left | undefined
  : Left

/** The right value a join's function is given: it may be missing where left records leave alone. */
export type RightOf<Right, Kind extends JoinKind> = Kind extends 'left' | 'outer'
  ? Right | undefined
  : Right

/** A record that came too late for a join, and the side it came from. */
export type LateRecord<Left, Right> =
  | { readonly side: 'left'; readonly value: Left }
  | { readonly side: 'right'; readonly value: Right }

/** A join's function, as operators call it. */
export type JoinFunction = (left: unknown, right: unknown) => unknown

/** Whether records of an input (0 left, 1 right) that find no partner leave alone. */
export const leavesAlone = (kind: JoinKind, input: number): boolean =>
  kind === 'outer' || kind === (input === 0 ? 'left' : 'right')

/** @throws RangeError when the kind is none of the four. */
export function checkKind(operator: string, kind: JoinKind): void {
  if (JOIN_KINDS.includes(kind)) return
  throw new RangeError(
    `join '${operator}': the kind ${JSON.stringify(kind)} is none of ${JOIN_KINDS.join(', ')}`,
  )
}

/**
 * What a join's function returned.
 * @throws TypeError when it is nothing, or a promise.
 */
export function joined(result: unknown): {} | null {
  if (result === undefined) {
    throw new TypeError(
      'the function of the join returned nothing; return a value (null is one), and leave rows out with a filter behind the join',
    )
  }
  if (result instanceof Promise) {
    // Nobody waits for it: its failure must not end the process as an unhandled one.
    result.catch(() => undefined)
    throw new TypeError('the function of the join returned a promise; it has to return a value')
  }
  return result
}
