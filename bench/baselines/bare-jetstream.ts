/** As little between a program and a JetStream server as a good engineer would put there by hand. */
import { connect, createInbox } from 'nats'
import type { Msg, MsgHdrs, NatsConnection } from 'nats'

export interface StreamState {
  readonly first_seq: number
  readonly last_seq: number
}

export class BareJetStream {
  readonly connection: NatsConnection

  private constructor(connection: NatsConnection) {
    this.connection = connection
  }

  static async connect(url: string): Promise<BareJetStream> {
    return new BareJetStream(await connect({ servers: url, noAsyncTraces: true }))
  }

  async makeStream(stream: string): Promise<void> {
    await this.call(`STREAM.CREATE.${stream}`, {
      name: stream,
      subjects: [stream],
      storage: 'file',
    })
  }

  /** Nothing happens when there is none. */
  async removeStream(stream: string): Promise<void> {
    await this.connection.request(`$JS.API.STREAM.DELETE.${stream}`)
  }

  async streamState(stream: string): Promise<StreamState> {
    return (await this.call<{ state: StreamState }>(`STREAM.INFO.${stream}`)).state
  }

  /** @returns undefined when there is no such stream. */
  async findState(stream: string): Promise<StreamState | undefined> {
    const reply = await this.connection.request(`$JS.API.STREAM.INFO.${stream}`)
    return reply.json<{ state?: StreamState }>().state
  }

  /** Every message of a stream so far, in order; the callback must not keep the bytes. */
  async readAll(stream: string, onMessage: (message: Msg) => void): Promise<number> {
    const { last_seq: total } = await this.streamState(stream)
    if (total === 0) return 0
    const name = createInbox('bench').replaceAll('.', '-')
    await this.call(`CONSUMER.CREATE.${stream}.${name}`, {
      stream_name: stream,
      config: { name, ack_policy: 'none', deliver_policy: 'all', mem_storage: true },
    })
    await this.#pull(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, total, onMessage)
    await this.call(`CONSUMER.DELETE.${stream}.${name}`)
    return total
  }

  /** Keeps two requests of 10,000 messages under way. */
  async #pull(subject: string, total: number, onMessage: (message: Msg) => void): Promise<void> {
    const inbox = createInbox()
    const request = JSON.stringify({ batch: REQUEST_MESSAGES, expires: 30e9 })
    let requested = 0
    let received = 0
    const pullMore = (): void => {
      if (requested >= total) return
      requested += REQUEST_MESSAGES
      this.connection.publish(subject, request, { reply: inbox })
    }
    await new Promise<void>((resolve, reject) => {
      const subscription = this.connection.subscribe(inbox, {
        callback(error, message) {
          if (error !== null) return reject(error)
          // Only status messages come without a reply subject: a request that ran out.
          if (message.reply === undefined || message.reply === '') return
          onMessage(message)
          received += 1
          if (received % REQUEST_MESSAGES === 0) pullMore()
          if (received < total) return
          subscription.unsubscribe()
          resolve()
        },
      })
      pullMore()
      pullMore()
    })
  }

  /** Publishes in order, each message with the stream's last sequence as its expectation. */
  async publishChained(stream: string, messages: readonly Uint8Array[]): Promise<void> {
    const inbox = createInbox()
    let sent = 0
    let acknowledged = 0
    const sendMore = (): void => {
      while (sent < messages.length && sent - acknowledged < IN_FLIGHT_MAX) {
        this.connection.publish(stream, messages[sent], {
          reply: `${inbox}.a`,
          headers: expectation(sent),
        })
        sent += 1
      }
    }
    await new Promise<void>((resolve, reject) => {
      const subscription = this.connection.subscribe(`${inbox}.*`, {
        callback(error, message) {
          if (error !== null) return reject(error)
          acknowledged += 1
          const { seq } = JSON.parse(Buffer.from(message.data).toString()) as { seq?: number }
          if (seq !== acknowledged)
            return reject(new Error(`not acknowledged: ${message.string()}`))
          if (acknowledged === messages.length) {
            subscription.unsubscribe()
            return resolve()
          }
          if (sent - acknowledged <= REFILL_BELOW) sendMore()
        },
      })
      sendMore()
    })
  }

  async call<Answer>(verb: string, body?: unknown): Promise<Answer> {
    const payload = body === undefined ? '' : JSON.stringify(body)
    const reply = await this.connection.request(`$JS.API.${verb}`, payload, { timeout: 10_000 })
    const answer = reply.json<Answer & { error?: { description?: string } }>()
    if (answer.error !== undefined) throw new Error(`${verb}: ${JSON.stringify(answer.error)}`)
    return answer
  }

  async close(): Promise<void> {
    await this.connection.close()
  }
}

const REQUEST_MESSAGES = 10_000
const IN_FLIGHT_MAX = 1_000
/** Refilled in blocks, so that the client writes many messages at once: measured a third faster. */
const REFILL_BELOW = 750

/** Headers as bytes: building them from the client's map costs more than the rest of a publish. */
function expectation(lastSequence: number): MsgHdrs {
  const bytes = Buffer.from(
    `NATS/1.0\r\nNats-Expected-Last-Sequence: ${lastSequence}\r\n\r\n`,
    'latin1',
  )
  // The client asks the headers of a message it sends for nothing but their encoding.
  return { encode: () => bytes } as unknown as MsgHdrs
}
