/**
 * The part of a NATS connection that this runtime uses. It is structural, so that a connection of the
 * `nats` package and one of its successor @nats-io/transport-node both fit, and a test can put one
 * in between that loses or delays what it likes.
 */

export interface CoreHeaders {
  /** Status code of a message without payload, 0 for ordinary messages. */
  readonly code: number
  readonly description: string
  /** A header's value, '' when it is not there. */
  get(name: string): string
}

export interface CoreMessage {
  readonly subject: string
  readonly reply?: string
  /** A view of the bytes that came off the socket; the client never writes to them again. */
  readonly data: Uint8Array
  readonly headers?: CoreHeaders
}

export interface CoreSubscription {
  unsubscribe(): void
}

export interface CoreStatus {
  readonly type: string
  readonly data?: unknown
  /** What was not allowed, as the 2.x line tells it. */
  readonly permissionContext?: { readonly operation: string; readonly subject: string }
  /** What went wrong, as the 3.x line tells it. */
  readonly error?: unknown
}

export interface CoreConnection {
  readonly info?: {
    readonly version: string
    readonly max_payload: number
  }
  publish(
    subject: string,
    payload: Uint8Array,
    options?: { reply?: string; headers?: unknown },
  ): void
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: CoreMessage) => void },
  ): CoreSubscription
  request(subject: string, payload: Uint8Array, options: { timeout: number }): Promise<CoreMessage>
  status(): AsyncIterable<CoreStatus>
  isClosed(): boolean
  close(): Promise<void>
}

/**
 * Headers that are bytes already. Both client lines ask a message's headers for nothing but their
 * encoding, and building it from a map costs more than the rest of a publish.
 */
export class EncodedHeaders {
  readonly #bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }
  encode(): Uint8Array {
    return this.#bytes
  }
}
