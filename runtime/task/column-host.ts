/** What the hosts that keep all keys of an operator in columns have in common: slices and sessions. */
import type { Push } from '../../operators/operator.ts'
import type { Store } from '../state/store.ts'
import type { TimerQueue } from '../time/timer-queue.ts'
import type { WatermarkHolder } from '../time/watermark.ts'
import type { CacheLimits } from './actor-cache.ts'
import type { FailureDesk } from './failure-desk.ts'
import { type HostOutputs, LATE } from './operator-host.ts'

export interface ColumnHostOptions<Operator> {
  readonly name: string
  readonly operator: Operator
  readonly store: Store
  /** Number of the operator in the store. */
  readonly number: number
  readonly limits: CacheLimits
  /** Whether the store may hold state of this operator from earlier runs. */
  readonly mayHaveStored: boolean
  /** The timers of the operator's clock. */
  readonly timers: TimerQueue
  readonly watermark: WatermarkHolder
  /** How far time has come behind it. */
  readonly output: WatermarkHolder
  readonly now: () => number
  readonly outputs: HostOutputs
  readonly failures: FailureDesk
}

/** Where records go that come too late: the side output, if there is one. */
export const lateOutput = ({ sides, late }: HostOutputs): Push => sides[LATE] ?? (late as Push)
