/** What windows of a kind do when the job says nothing else. */
import { CountWindows } from './count.ts'
import { keepLast } from './evictor.ts'
import { never } from './trigger/at-end.ts'
import { onCount } from './trigger/on-count.ts'
import type { Trigger } from './trigger/trigger.ts'
import type { WindowOptions, WindowSpec } from './window-spec.ts'

export interface Firing {
  /** Undefined: at the window's end by the window's clock, and at each record behind it. */
  readonly trigger: Trigger | undefined
  readonly evictor: WindowOptions['evictor']
  /** Whether contents are dropped at each firing. */
  readonly purges: boolean
}

/** When windows fire and what they drop. */
export function triggerOf(spec: WindowSpec<never>): Firing {
  const { trigger, evictor } = spec.options
  if (spec instanceof CountWindows) {
    const { count, every } = spec
    return every === undefined
      ? { trigger: onCount(count), evictor: undefined, purges: true }
      : {
          trigger: onCount(every),
          evictor: { evictor: keepLast(count), when: 'before' },
          purges: false,
        }
  }
  if (spec.kind === 'global') return { trigger: trigger ?? never(), evictor, purges: false }
  const isUsual = trigger?.firesAtEndOf === spec.clock
  return { trigger: isUsual ? undefined : trigger, evictor, purges: false }
}
