/** The logs that a job's sources and sinks share: one connection a server, one environment a folder. */
import type { JetStreamConnectionManifest } from '../../config/manifest.ts'
import type { EmbeddedLog } from '../log/embedded-log.ts'
import type { JetStreamOptions } from '../log/jetstream-connection.ts'
import type { Log } from '../log/log.ts'
import { retryWhileAway } from '../log/retry.ts'
import type { Clock } from '../time/clock.ts'

/** How a source reads a stream. */
export interface JetStreamReading {
  readonly subject?: string
  readonly onDataLoss: 'fail' | 'skip'
  /** Told of each loss that was skipped. */
  readonly onSkip: (message: string) => void
}

export class Connections {
  readonly #clock: Clock
  readonly #onRetry: (message: string) => void
  readonly #closing = new AbortController()
  readonly #waiting: AbortSignal
  readonly #embedded = new Map<string, Promise<EmbeddedLog>>()
  readonly #opened: Log[] = []

  /** @param stop ends the waiting for a server that is away. */
  constructor(clock: Clock, onRetry: (message: string) => void, stop: AbortSignal) {
    this.#clock = clock
    this.#onRetry = onRetry
    this.#waiting = AbortSignal.any([this.#closing.signal, stop])
  }

  async embedded(folder: string): Promise<EmbeddedLog> {
    let log = this.#embedded.get(folder)
    if (log === undefined) {
      log = openEmbeddedLog(folder, this.#clock)
      this.#embedded.set(folder, log)
    }
    return await log
  }

  /** A connection to a NATS server for one source. The client is only loaded by jobs that use it. */
  async jetStream(
    connection: JetStreamConnectionManifest,
    reading: JetStreamReading,
  ): Promise<Log> {
    const { JetStreamLog } = await import('../log/jetstream-log.ts')
    const log = await retryWhileAway(
      { clock: this.#clock, what: 'NATS', onRetry: this.#onRetry, signal: this.#waiting },
      () => JetStreamLog.open({ ...jetStreamOptions(connection, this.#clock), ...reading }),
    )
    this.#opened.push(log)
    return log
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const log of this.#opened) await log.close()
    for (const log of this.#embedded.values()) await (await log).close()
  }
}

/** Like the NATS client, only loaded by jobs that use it. */
async function openEmbeddedLog(folder: string, clock: Clock): Promise<EmbeddedLog> {
  const { EmbeddedLog: log } = await import('../log/embedded-log.ts')
  return await log.open(folder, { clock })
}

/** The options of a connection, from the manifest's words. */
export function jetStreamOptions(
  connection: JetStreamConnectionManifest,
  clock: Clock,
): JetStreamOptions {
  const { tls, ...rest } = connection
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const files = tls && { caFile: tls.ca, certFile: tls.cert, keyFile: tls.key }
  const givenFiles =
    files && Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined))
  return { ...given, ...(givenFiles !== undefined && { tls: givenFiles }), clock }
}
