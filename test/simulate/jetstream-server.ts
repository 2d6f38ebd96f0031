/**
 * A nats-server with JetStream as far as the runtime speaks to it: the requests of jetstream-wire.ts,
 * publishing with expectations and message ids, and pull consumers. What it answers to is tested
 * against the real one by the suites that run on both (test/sink, test/log).
 */
import type { ConsumerConfig, StreamConfig } from '../../runtime/log/jetstream-wire.ts'
import type { SimulatedConnection } from './jetstream-connection.ts'
import { SimulatedStream, type Stored } from './stream.ts'
import type { Timeline } from './timeline.ts'

const NANOSECONDS_PER_MS = 1_000_000
const DUPLICATE_WINDOW_MS = 120_000

interface Pull {
  left: number
  readonly endsAt: number
}

interface Consumer {
  readonly stream: string
  readonly name: string
  readonly connection: SimulatedConnection
  readonly config: ConsumerConfig
  inbox: string
  next: number
  delivered: number
  lastHeardAt: number
  isBeating: boolean
  readonly pulls: Pull[]
}

/** What the server says to one subject of a connection. */
export interface Reply {
  readonly subject: string
  readonly reply?: string
  readonly data: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly code?: number
}

const NOTHING = new Uint8Array()
const jsonOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

export class SimulatedServer {
  readonly #timeline: Timeline
  readonly streams = new Map<string, SimulatedStream>()
  readonly connections = new Set<SimulatedConnection>()
  #consumers = new Map<string, Consumer>()
  #made = 0
  #isAway = false
  /** Whether a stream is sent to the job, and how far: what is lost behind this was not read. */
  readonly sentTo = new Map<string, number>()

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  get isAway(): boolean {
    return this.#isAway
  }

  makeStream(
    name: string,
    subject: string,
    duplicateWindowMs = DUPLICATE_WINDOW_MS,
  ): SimulatedStream {
    const created = `2026-01-01T00:00:00.${String(++this.#made).padStart(9, '0')}Z`
    const stream = new SimulatedStream(name, subject, created, duplicateWindowMs)
    this.streams.set(name, stream)
    this.sentTo.set(name, 0)
    return stream
  }

  stream(name: string): SimulatedStream {
    const stream = this.streams.get(name)
    if (stream === undefined) throw new Error(`the simulated server has no stream ${name}`)
    return stream
  }

  /** Somebody else publishes: a producer, or another writer of a shared stream. */
  append(name: string, subject: string, data: Uint8Array): void {
    this.stream(name).publish(subject, data, '', this.#timeline.now)
    this.#serve(name)
  }

  // ── its own life ───────────────────────────────────────────────────────────────────────────────

  /** Every connection is lost, consumers are forgotten; until it comes back nothing is answered. */
  goAway(): void {
    this.#isAway = true
    this.#consumers.clear()
    for (const connection of this.connections) connection.lose()
  }

  comeBack(): void {
    this.#isAway = false
    for (const connection of this.connections) connection.restore()
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────

  /** A message of a connection has arrived. */
  take(
    connection: SimulatedConnection,
    subject: string,
    data: Uint8Array,
    headers: string,
    reply: string,
  ): void {
    if (!subject.startsWith('$JS.API.')) {
      this.#publish(connection, subject, data, headers, reply)
      return
    }
    const [verb = '', ...names] = splitVerb(subject.slice('$JS.API.'.length))
    const body: unknown = data.length === 0 ? {} : JSON.parse(Buffer.from(data).toString())
    if (verb === 'CONSUMER.MSG.NEXT') this.#pull(connection, names, body, reply)
    else {
      const answer = this.#answer(connection, verb, names, body)
      connection.toClient({ subject: reply, data: jsonOf(answer) }, `answer ${verb}`)
    }
  }

  #publish(
    connection: SimulatedConnection,
    subject: string,
    data: Uint8Array,
    headers: string,
    reply: string,
  ): void {
    const stream = [...this.streams.values()].find((of) => of.subject === subject)
    if (stream === undefined) {
      connection.toClient({ subject: reply, data: NOTHING, code: 503 }, 'no responders')
      return
    }
    const result = stream.publish(subject, data, headers, this.#timeline.now)
    if ('seq' in result) {
      const { seq, duplicate } = result
      this.#timeline.note(`${stream.name} ${duplicate ? 'has' : 'stores'} ${seq}`)
      const more = duplicate ? ', "duplicate": true' : ''
      const text = `{"stream":"${stream.name}", "seq":${seq}${more}}`
      connection.toClient({ subject: reply, data: Buffer.from(text) }, `ack ${seq}`)
      if (!duplicate) this.#serve(stream.name)
    } else {
      this.#timeline.note(`${stream.name} refuses: ${result.description}`)
      const error = { stream: stream.name, error: result }
      connection.toClient({ subject: reply, data: jsonOf(error) }, 'refusal')
    }
  }

  #answer(
    connection: SimulatedConnection,
    verb: string,
    [name = '', consumer = '']: readonly string[],
    body: unknown,
  ): unknown {
    const stream = this.streams.get(name)
    if (verb === 'STREAM.CREATE') {
      const config = body as StreamConfig
      const windowMs = (config.duplicate_window ?? 0) / NANOSECONDS_PER_MS || DUPLICATE_WINDOW_MS
      return infoOf(stream ?? this.makeStream(name, config.subjects?.[0] ?? '', windowMs))
    }
    if (stream === undefined) return failure(404, 10059, 'stream not found')
    switch (verb) {
      case 'STREAM.INFO':
        return infoOf(stream)
      case 'STREAM.MSG.GET':
        return this.#message(stream, body as { seq: number; next_by_subj?: string })
      case 'CONSUMER.CREATE':
        return this.#createConsumer(connection, stream, body as { config: ConsumerConfig })
      case 'CONSUMER.DELETE':
        return this.#consumers.delete(consumer)
          ? { success: true }
          : failure(404, 10014, 'consumer not found')
      default:
        throw new Error(`the simulated server does not know ${verb}`)
    }
  }

  #message(stream: SimulatedStream, query: { seq: number; next_by_subj?: string }): unknown {
    const subject = query.next_by_subj === '>' ? undefined : query.next_by_subj
    const message =
      query.next_by_subj === undefined ? stream.get(query.seq) : stream.from(query.seq, subject)
    if (message === undefined) return failure(404, 10037, 'no message found')
    return {
      message: {
        subject: message.subject,
        seq: message.sequence,
        time: new Date(message.time).toISOString(),
        data: Buffer.from(message.data).toString('base64'),
        hdrs: Buffer.from(message.headers, 'latin1').toString('base64'),
      },
    }
  }

  // ── consumers ──────────────────────────────────────────────────────────────────────────────────

  #createConsumer(
    connection: SimulatedConnection,
    stream: SimulatedStream,
    { config }: { config: ConsumerConfig },
  ): unknown {
    const consumer: Consumer = {
      stream: stream.name,
      name: config.name,
      connection,
      config,
      inbox: '',
      next: config.opt_start_seq,
      delivered: 0,
      lastHeardAt: this.#timeline.now,
      isBeating: false,
      pulls: [],
    }
    this.#consumers.set(config.name, consumer)
    return { num_pending: this.#pendingOf(consumer) }
  }

  #pendingOf({ stream, next, config }: Consumer): number {
    const of = this.stream(stream)
    let count = 0
    for (let at = of.from(next, config.filter_subject); at !== undefined;) {
      count += 1
      at = of.from(at.sequence + 1, config.filter_subject)
    }
    return count
  }

  #pull(
    connection: SimulatedConnection,
    [, name = '']: readonly string[],
    body: unknown,
    reply: string,
  ): void {
    const consumer = this.#consumers.get(name)
    if (consumer === undefined) {
      connection.toClient({ subject: reply, data: NOTHING, code: 503 }, 'no responders')
      return
    }
    const { batch, expires } = body as { batch: number; expires: number }
    consumer.inbox = reply
    consumer.pulls.push({
      left: batch,
      endsAt: this.#timeline.now + expires / NANOSECONDS_PER_MS,
    })
    this.#deliver(consumer)
    this.#beat(consumer)
  }

  #serve(stream: string): void {
    for (const consumer of this.#consumers.values()) {
      if (consumer.stream === stream) this.#deliver(consumer)
    }
  }

  #deliver(consumer: Consumer): void {
    const of = this.streams.get(consumer.stream)
    if (of === undefined) return
    const { name, config, connection } = consumer
    const replies: Reply[] = []
    let pending = this.#pendingOf(consumer)
    for (let pull = consumer.pulls[0]; pull !== undefined; pull = consumer.pulls[0]) {
      if (pull.left === 0) {
        consumer.pulls.shift()
        continue
      }
      const message = of.from(consumer.next, config.filter_subject)
      if (message === undefined) break
      pull.left -= 1
      pending -= 1
      consumer.next = message.sequence + 1
      consumer.delivered += 1
      const numbers = `1.${message.sequence}.${consumer.delivered}.${message.time}000000.${pending}`
      replies.push(this.#delivery(consumer, message, `$JS.ACK.${of.name}.${name}.${numbers}`))
      this.sentTo.set(of.name, Math.max(this.sentTo.get(of.name) ?? 0, message.sequence))
    }
    if (replies.length === 0) return
    consumer.lastHeardAt = this.#timeline.now
    connection.deliver(replies, `${replies.length} of ${of.name} up to ${consumer.next - 1}`)
  }

  #delivery({ inbox, config }: Consumer, { data, headers }: Stored, reply: string): Reply {
    return {
      subject: inbox,
      reply,
      data: config.headers_only === true ? NOTHING : data,
      headers: headersOf(headers),
    }
  }

  /** Shows a waiting request that it is alive, and ends it when its time is over. */
  #beat(consumer: Consumer): void {
    if (consumer.isBeating) return
    consumer.isBeating = true
    this.#timeline.after(2_000, `beat of ${consumer.stream}`, () => {
      consumer.isBeating = false
      if (this.#consumers.get(consumer.name) !== consumer || consumer.pulls.length === 0) return
      const { connection, inbox: subject, delivered, pulls } = consumer
      const over = pulls.filter(({ endsAt }) => endsAt <= this.#timeline.now)
      const left = over.reduce((sum, pull) => sum + pull.left, 0)
      pulls.splice(0, over.length)
      const pendingText = { 'Nats-Pending-Messages': String(left) }
      if (over.length > 0) {
        connection.toClient({ subject, data: NOTHING, code: 408, headers: pendingText }, '408')
      } else if (this.#timeline.now - consumer.lastHeardAt >= 2_000) {
        const headers = { 'Nats-Last-Consumer': String(delivered) }
        connection.toClient({ subject, data: NOTHING, code: 100, headers }, 'heartbeat')
      }
      this.#beat(consumer)
    })
  }

  /** A connection is over, and what it had open with it. */
  forget(connection: SimulatedConnection): void {
    this.connections.delete(connection)
    for (const [name, consumer] of this.#consumers) {
      if (consumer.connection === connection) this.#consumers.delete(name)
    }
  }
}

function infoOf(stream: SimulatedStream): unknown {
  return {
    config: {
      name: stream.name,
      subjects: [stream.subject],
      retention: 'limits',
      duplicate_window: stream.duplicateWindowMs * NANOSECONDS_PER_MS,
    },
    created: stream.created,
    state: {
      messages: stream.count,
      bytes: 0,
      first_seq: stream.count === 0 ? stream.last + 1 : stream.first,
      last_seq: stream.last,
    },
  }
}

const failure = (code: number, err_code: number, description: string): unknown => ({
  error: { code, err_code, description },
})

const VERBS = [
  'STREAM.INFO',
  'STREAM.CREATE',
  'STREAM.MSG.GET',
  'CONSUMER.CREATE',
  'CONSUMER.DELETE',
  'CONSUMER.MSG.NEXT',
]

function splitVerb(subject: string): string[] {
  const verb = VERBS.find((known) => subject.startsWith(`${known}.`))
  if (verb === undefined) throw new Error(`the simulated server does not know ${subject}`)
  return [verb, ...subject.slice(verb.length + 1).split('.')]
}

function headersOf(block: string): Record<string, string> {
  const lines = block.split('\r\n').slice(1)
  return Object.fromEntries(
    lines.flatMap((line) => {
      const colon = line.indexOf(':')
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]]
    }),
  )
}
