/** A connection between a sink and a real server that loses, holds and reorders what the test says. */
import { connect } from 'nats'
import type {
  CoreConnection,
  CoreMessage,
  CoreStatus,
  CoreSubscription,
} from '../../runtime/log/jetstream-core.ts'
import type { NatsServer } from './nats-server.ts'

export class FaultyConnection implements CoreConnection {
  readonly #inner: CoreConnection
  #published = 0
  #answered = 0
  #delivered = 0
  /** Called for each result that is published, from 1; `send` may be called later, or never. */
  onPublish: (number: number, send: () => void) => void = (_number, send) => send()
  /** Called for each acknowledgement, from 1; `give` may be called later, or never. */
  onAnswer: (number: number, give: () => void) => void = (_number, give) => give()

  /** Called for each message that is pulled, from 1; `give` may be called later, or never. */
  onDelivery: (number: number, give: () => void) => void = (_number, give) => give()

  private constructor(inner: CoreConnection) {
    this.#inner = inner
  }

  static async open(server: NatsServer): Promise<FaultyConnection> {
    return new FaultyConnection(await connect({ servers: server.url, maxReconnectAttempts: -1 }))
  }

  get info(): NonNullable<CoreConnection['info']> {
    return this.#inner.info ?? { version: '0.0.0', max_payload: 0 }
  }

  /** How many results were published. */
  get published(): number {
    return this.#published
  }

  publish(
    subject: string,
    payload: Uint8Array,
    options?: { reply?: string; headers?: unknown },
  ): void {
    const send = (): void => this.#inner.publish(subject, payload, options)
    if (subject.startsWith('$JS')) send()
    else this.onPublish(++this.#published, send)
  }

  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: CoreMessage) => void },
  ): CoreSubscription {
    const { callback } = options
    const isForAnswers = subject.endsWith('.*')
    return this.#inner.subscribe(subject, {
      callback: (error, message) => {
        const give = (): void => callback(error, message)
        if (isForAnswers) this.onAnswer(++this.#answered, give)
        else if (message.reply === undefined || message.reply === '') give()
        else this.onDelivery(++this.#delivered, give)
      },
    })
  }

  request(
    subject: string,
    payload: Uint8Array,
    options: { timeout: number },
  ): Promise<CoreMessage> {
    return this.#inner.request(subject, payload, options)
  }

  status(): AsyncIterable<CoreStatus> {
    return this.#inner.status()
  }

  isClosed(): boolean {
    return this.#inner.isClosed()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
