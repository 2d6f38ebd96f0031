/** Any log as a source: each partition of the stream is one input. */
import type { Log, LogEnd, LogStart } from '../log/log.ts'
import { retryWhileAway } from '../log/retry.ts'
import { type Clock, systemClock } from '../time/clock.ts'
import type { Decode } from './format/format.ts'
import { LogInput } from './log-input.ts'
import type { Source } from './source.ts'

export interface LogSourceOptions {
  readonly log: Log
  readonly stream: string
  /** Name of the source within the job; its inputs are `<name>/<partition>`. */
  readonly name: string
  readonly decode: Decode
  /** Where a fresh state begins; default 'start'. */
  readonly from?: LogStart
  /** Where it is over; resolved at the first open and kept. Default: never. */
  readonly to?: LogEnd | undefined
  /** Behind its end another run goes on; see SourceInput. */
  readonly goesOn?: boolean
  /** What to do when messages are lost (I8); default 'fail'. See LogInput. */
  readonly onDataLoss?: 'fail' | 'skip'
  readonly clock?: Clock
  /** Ends the waiting for a log that is away when the job starts. */
  readonly stop?: AbortSignal
  /** Told of each wait for a log that is away. */
  readonly onRetry?: (message: string) => void
  /** Told of each loss that was skipped. */
  readonly onSkip?: (message: string) => void
}

export function logSource(options: LogSourceOptions): Source {
  const { log, stream, name, clock = systemClock, onRetry = () => {} } = options
  return {
    async inputs() {
      const signal = options.stop ?? new AbortController().signal
      const partitions = await retryWhileAway(
        { clock, what: `stream ${stream}`, onRetry, signal },
        () => log.partitions(stream),
      )
      return Array.from(
        { length: partitions },
        (_, partition) => new LogInput({ ...options, partition, id: `${name}/${partition}` }),
      )
    },
  }
}
