import { wholeNumber } from '../size.ts'
import { CONTINUE, FIRE, type Trigger } from './trigger.ts'

/** Fires at every `count` records of a window. @throws RangeError when that is not at least 1. */
export function onCount(count: number): Trigger {
  wholeNumber(count, 'trigger onCount')
  return {
    label: `onCount(${count})`,
    canMerge: true,
    runsUserCode: false,
    firesEndless: 'yes',
    make(takeSlot) {
      const slot = takeSlot()
      return {
        onRecord(at) {
          const seen = ((at.get(slot) as number | undefined) ?? 0) + 1
          at.set(slot, seen >= count ? undefined : seen)
          return seen >= count ? FIRE : CONTINUE
        },
        onTimer: () => CONTINUE,
        onMerge(at, merged) {
          let seen = 0
          for (const slots of merged) seen += (slots[slot] as number | undefined) ?? 0
          at.set(slot, seen === 0 ? undefined : seen)
        },
        reset: (at) => at.set(slot, undefined),
      }
    },
  }
}
