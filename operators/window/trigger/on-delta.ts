import { CONTINUE, FIRE, type Trigger } from './trigger.ts'

/**
 * Fires when a number of the value exceeds that of the record that fired last (at first: of the first
 * one) by more than a threshold. The difference has a sign, as in Flink: a number that falls does not
 * fire. In sessions that became one, the latest session's number counts.
 * @throws RangeError when the threshold is negative or not finite.
 */
export function onDelta<In>(of: (value: In) => number, threshold: number): Trigger<In> {
  if (!(threshold >= 0 && Number.isFinite(threshold))) {
    throw new RangeError(`trigger onDelta: the threshold ${String(threshold)} is not a number >= 0`)
  }
  return {
    label: `onDelta(${threshold})`,
    canMerge: true,
    runsUserCode: true,
    firesEndless: 'yes',
    make(takeSlot) {
      const slot = takeSlot()
      return {
        onRecord(at) {
          const next = finiteDelta(of(at.value as In), 'trigger onDelta')
          const last = at.get(slot) as number | undefined
          if (last !== undefined && next - last <= threshold) return CONTINUE
          at.set(slot, next)
          return last === undefined ? CONTINUE : FIRE
        },
        onTimer: () => CONTINUE,
        onMerge(at, merged) {
          at.set(
            slot,
            merged.findLast((slots) => slots[slot] !== undefined && slots[slot] !== null)?.[slot],
          )
        },
        reset: (at) => at.set(slot, undefined),
      }
    },
  }
}

/** @throws TypeError for NaN and infinities: no record is far from them, or all are. */
export function finiteDelta(number: number, what: string): number {
  if (!Number.isFinite(number))
    throw new TypeError(`${what}: ${String(number)} is not a finite number`)
  return number
}
