/** What the tests against a real nats-server share. */
import { JetStreamConnection } from '../../runtime/log/jetstream-connection.ts'
import { JetStreamApi, type StreamConfig } from '../../runtime/log/jetstream-wire.ts'
import { encodeHeaders, JetStreamPublisher } from '../../runtime/log/jetstream-publisher.ts'
import { scanStream } from '../../runtime/log/jetstream-scan.ts'
import type { LogMessage, LogReader } from '../../runtime/log/log.ts'
import type { NatsServer } from './nats-server.ts'

const WAIT_MS_MAX = 20_000

/** An administrator's connection: makes streams, writes and deletes behind everybody's back. */
export class Admin {
  readonly connection: JetStreamConnection
  readonly api: JetStreamApi

  private constructor(connection: JetStreamConnection) {
    this.connection = connection
    this.api = new JetStreamApi(connection)
  }

  static async open(server: NatsServer): Promise<Admin> {
    return new Admin(await JetStreamConnection.open({ servers: server.url }))
  }

  async makeStream(name: string, config: Partial<StreamConfig> = {}): Promise<void> {
    await this.api.createStream({
      name,
      subjects: [name.toLowerCase()],
      num_replicas: 1,
      ...config,
    })
  }

  /** Appends texts `from`, from + 1, … to a stream made by makeStream. */
  async append(stream: string, count: number, from = 1): Promise<void> {
    await this.appendTexts(
      stream.toLowerCase(),
      Array.from({ length: count }, (_, index) => String(from + index)),
    )
  }

  async appendTexts(subject: string, texts: readonly string[]): Promise<void> {
    const publisher = new JetStreamPublisher(this.connection, subject, 500)
    const headers = encodeHeaders({})
    const { problem } = await publisher.publish(texts.length, (index) => ({
      data: Buffer.from(texts[index] ?? ''),
      headers,
    }))
    publisher.close()
    if (problem !== undefined) throw new Error(`append to ${subject}: ${JSON.stringify(problem)}`)
  }

  /** Every retained message of a stream as text. */
  async texts(stream: string): Promise<string[]> {
    const texts: string[] = []
    const to = await this.lastSequence(stream)
    await scanStream(this.connection, { stream, from: 1, to }, ({ data }) => {
      texts.push(Buffer.from(data).toString())
    })
    return texts
  }

  async lastSequence(stream: string): Promise<number> {
    return (await this.api.streamInfo(stream))?.state.last_seq ?? 0
  }

  close(): Promise<void> {
    return this.connection.close()
  }
}

/** Reads until `count` messages came, or everything through a sequence is read. */
export async function take(
  reader: LogReader,
  end: { readonly count?: number; readonly through?: number },
): Promise<LogMessage[]> {
  const { count = Number.POSITIVE_INFINITY, through = Number.POSITIVE_INFINITY } = end
  const messages: LogMessage[] = []
  let reached = 0
  while (messages.length < count && reached < through) {
    const batch = reader.poll()
    if (batch === undefined) {
      await within(reader.ready(), `${messages.length} of ${count} messages came, then nothing`)
      continue
    }
    messages.push(...batch.messages)
    reached = batch.through ?? batch.messages.at(-1)?.sequence ?? reached
  }
  return messages
}

export const textOf = (message: LogMessage): string => Buffer.from(message.data).toString()

/** The texts from one number to another, as Admin.append writes them. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index))
}

/** A promise that is refused when it takes too long. */
export async function within<Value>(
  promise: Promise<Value>,
  what: string,
  delayMs = WAIT_MS_MAX,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} (waited ${delayMs} ms)`)), delayMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when a condition holds, asking again and again. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  delayMs = WAIT_MS_MAX,
): Promise<void> {
  const end = performance.now() + delayMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come about in ${delayMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
