/** The embedded log of a simulated machine: slow and failing as the weather says, and as mortal as the process that has it open. */
import { UnavailableError } from '../../runtime/errors.ts'
import type {
  Append,
  AppendableLog,
  Appended,
  StreamOptions,
} from '../../runtime/log/appendable-log.ts'
import type {
  LogMessage,
  LogProducer,
  LogReader,
  LogStart,
  PartitionState,
} from '../../runtime/log/log.ts'
import type { MemoryLog } from '../../runtime/testing/memory-log.ts'
import type { Chance } from './chance.ts'
import type { Life } from './life.ts'
import type { Weather } from './weather.ts'

export interface MortalLogOptions {
  readonly log: MemoryLog
  readonly life: Life
  readonly chance: Chance
  readonly weather: () => Weather
  readonly onFault: (kind: string) => void
  /** Each takes an append back that is not on the disk yet. */
  readonly unsynced: Set<() => void>
}

export class MortalLog implements AppendableLog {
  readonly #options: MortalLogOptions

  constructor(options: MortalLogOptions) {
    this.#options = options
  }

  /** Asks, and hears the answer later: the process may die in between. */
  async #call<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
    const { life, chance, weather } = this.#options
    await life.wait(chance.below(weather().commitMsMax + 1), what)
    const result = await action()
    await life.wait(0, `${what} done`)
    return result
  }

  createStream(stream: string, options?: StreamOptions): Promise<void> {
    return this.#call('create stream', () => this.#options.log.createStream(stream, options))
  }

  deleteStream(stream: string): Promise<void> {
    return this.#call('delete stream', () => this.#options.log.deleteStream(stream))
  }

  append(
    stream: string,
    partition: number,
    messages: readonly Uint8Array[],
    producer?: LogProducer,
  ): Promise<Appended> {
    const { log, chance, weather, onFault, unsynced } = this.#options
    const what = `append ${messages.length} to ${stream}`
    return this.#call(what, async () => {
      if (chance.is(weather().diskFails)) {
        onFault('append fails')
        throw new UnavailableError('the embedded log cannot be written: the simulated disk failed')
      }
      const { last } = await log.inspect(stream, partition)
      const id = producer?.id ?? ''
      const number = await log.producerNumber(stream, partition, id)
      const appended = await log.append(stream, partition, messages, producer)
      const takeBack = (): void => {
        log.loseTail(stream, partition, last)
        log.setProducerNumber(stream, partition, id, number)
      }
      unsynced.add(takeBack)
      await this.#options.life.wait(chance.below(weather().flushMsMax + 1), `${what}: flush`)
      unsynced.delete(takeBack)
      return appended
    })
  }

  appendAll(stream: string, appends: readonly Append[]): Promise<Appended[]> {
    return this.#call('append', () => this.#options.log.appendAll(stream, appends))
  }

  producerNumber(stream: string, partition: number, producerId: string): Promise<number> {
    return this.#call('producer number', () =>
      this.#options.log.producerNumber(stream, partition, producerId),
    )
  }

  partitions(stream: string): Promise<number> {
    return this.#call('partitions', () => this.#options.log.partitions(stream))
  }

  inspect(stream: string, partition: number): Promise<PartitionState> {
    return this.#call('inspect', () => this.#options.log.inspect(stream, partition))
  }

  fetch(stream: string, partition: number, sequence: number): Promise<LogMessage | undefined> {
    return this.#call('fetch', () => this.#options.log.fetch(stream, partition, sequence))
  }

  resolveStart(stream: string, partition: number, start: LogStart): Promise<number> {
    return this.#call('start', () => this.#options.log.resolveStart(stream, partition, start))
  }

  async read(stream: string, partition: number, after: number, until?: number): Promise<LogReader> {
    const { log, life, chance, weather } = this.#options
    const reader = await this.#call('read', () => log.read(stream, partition, after, until))
    return {
      poll: () => (life.isAlive ? reader.poll() : undefined),
      ready: async () => {
        const news = async (): Promise<void> => {
          await life.wait(chance.below(weather().latencyMsMax + 1), 'news')
        }
        try {
          await reader.ready()
        } catch (error) {
          await news()
          throw error
        }
        await news()
      },
      get hasBacklog() {
        return reader.hasBacklog
      },
      close: () => reader.close(),
    }
  }

  async close(): Promise<void> {}
}
