/** Looks at every message of a stretch of a stream, to find out what is there already. */
import { UnavailableError } from '../errors.ts'
import type { JetStreamConnection } from './jetstream-connection.ts'
import { PullConsumer } from './jetstream-pull.ts'
import { headerOf, JetStreamApi } from './jetstream-wire.ts'

export interface ScanRange {
  readonly stream: string
  /** First and last sequence, both inclusive. */
  readonly from: number
  readonly to: number
  /** Only messages of this subject. */
  readonly subject?: string
  /** Leave the payloads out. */
  readonly headersOnly?: boolean
}

export interface ScannedMessage {
  readonly sequence: number
  /** Empty with headersOnly. */
  readonly data: Uint8Array
  /** The value of a header, '' when it is not there. */
  header(name: string): string
}

/** Shorter stretches are not worth a consumer. */
const CONSUMER_MESSAGES_MIN = 16
const REQUEST_MESSAGES = 2_048
const REQUEST_BYTES_MAX = 8 * 1024 * 1024

/**
 * Calls `visit` for every message in the range, in order. What `visit` throws ends the scan.
 * @throws UnavailableError when the server went away meanwhile: nothing is known then
 */
export async function scanStream(
  connection: JetStreamConnection,
  range: ScanRange,
  visit: (message: ScannedMessage) => void,
): Promise<void> {
  let next = range.from
  const isLong = range.to - range.from + 1 >= CONSUMER_MESSAGES_MIN
  if (isLong) next = await scanByConsumer(connection, range, visit)
  // A consumer may live on a replica that is behind; only the leader knows that nothing more is there.
  const api = new JetStreamApi(connection)
  while (next <= range.to) {
    const message = await api.messageFrom(range.stream, next, range.subject)
    if (message === undefined || message.sequence > range.to) return
    const { sequence, data, headers } = message
    visit({ sequence, data, header: (name) => headerOf(headers, name) ?? '' })
    next = sequence + 1
  }
}

/** @returns the first sequence that was not looked at. */
async function scanByConsumer(
  connection: JetStreamConnection,
  range: ScanRange,
  visit: (message: ScannedMessage) => void,
): Promise<number> {
  const { stream, to } = range
  const requestBytesMax = Math.max(REQUEST_BYTES_MAX, connection.payloadBytesMax * 2)
  const end = new End()
  let next = range.from
  const pull = await PullConsumer.create(
    connection,
    { ...range, requestBytesMax },
    {
      message(sequence, _time, { data, headers }, pending) {
        if (sequence <= to) {
          visit({ sequence, data, header: (name) => headers?.get(name) ?? '' })
          next = sequence + 1
        }
        if (sequence >= to || pending === 0) end.reach()
        else refill()
      },
      ended: () => refill(),
      broken(reason) {
        end.fail(reason instanceof Error ? reason : new UnavailableError(`${stream}: ${reason}`))
      },
    },
  )
  const refill = (): void => {
    if (pull.requested <= REQUEST_MESSAGES) pull.request(REQUEST_MESSAGES)
  }
  try {
    if (pull.pendingAtStart > 0) {
      refill()
      await end.reached
    }
  } finally {
    await pull.close()
  }
  return next
}

/** The end of a scan, good or bad. */
class End {
  readonly reached: Promise<void>
  #settle: (error?: Error) => void = () => undefined

  constructor() {
    this.reached = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    // The scan may break before anybody waits for its end.
    this.reached.catch(() => undefined)
  }

  reach(): void {
    this.#settle()
  }

  fail(error: Error): void {
    this.#settle(error)
  }
}
