/**
 * A connection between a process and the simulated server, in place of the nats client's. Requests
 * take their time, are lost, come late, twice or in another order, and outlive the process that sent
 * them; while the connection is lost what is published waits and is sent when it is back, as the
 * client does it.
 */
import type {
  CoreConnection,
  CoreHeaders,
  CoreMessage,
  CoreStatus,
  CoreSubscription,
} from '../../runtime/log/jetstream-core.ts'
import type { Chance } from './chance.ts'
import type { Reply, SimulatedServer } from './jetstream-server.ts'
import type { Life } from './life.ts'
import type { Timeline } from './timeline.ts'
import type { Weather } from './weather.ts'

type Callback = (error: Error | null, message: CoreMessage) => void

export interface ConnectionOptions {
  readonly server: SimulatedServer
  readonly timeline: Timeline
  readonly life: Life
  readonly chance: Chance
  readonly weather: () => Weather
  /** Told of each fault that has hit something. */
  readonly onFault: (kind: string) => void
  /** Whether what is sent through it may be later than a duplicate window is long. */
  readonly mayBeVeryLate: boolean
}

/** Longer than this nothing waits that must not be later than a duplicate window is long. */
const BUFFERED_MS_MAX = 60_000

/** Names of connections and consumers are random: they stay out of traces. */
const nameless = (subject: string): string =>
  subject.startsWith('$JS.API.')
    ? subject
        .split('.')
        .slice(2, 5)
        .join('.')
        .replace(/\.m[\w-]{8}.*/, '')
    : subject

export class SimulatedConnection implements CoreConnection {
  readonly #options: ConnectionOptions
  readonly info = { version: '2.10.0', max_payload: 1024 * 1024 }
  readonly #subscriptions = new Map<string, Callback>()
  readonly #statuses: CoreStatus[] = []
  #wakes = new Set<() => void>()
  #isLost = false
  /** Which of the statuses said so. */
  #lostAt = 0
  #isClosed = false
  /** Counts losses: what was under way before one may be gone. */
  #generation = 0
  /** What is sent once the connection is back. */
  #waiting: { readonly since: number; readonly send: () => void }[] = []
  #lastSentAt = 0
  #lastGivenAt = 0
  #requests = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    options.server.connections.add(this)
    options.life.onDeath(() => this.abandon())
    if (options.server.isAway) this.lose()
  }

  // ── what the process calls ─────────────────────────────────────────────────────────────────────

  publish(
    subject: string,
    payload: Uint8Array,
    options?: { reply?: string; headers?: unknown },
  ): void {
    if (!this.#options.life.isAlive) return
    const headers = options?.headers as { encode(): Uint8Array } | undefined
    const block = headers === undefined ? '' : Buffer.from(headers.encode()).toString('latin1')
    // The client copies what it is given before it returns.
    this.#send(subject, Uint8Array.from(payload), block, options?.reply ?? '')
  }

  subscribe(subject: string, { callback }: { callback: Callback }): CoreSubscription {
    this.#subscriptions.set(subject, callback)
    return { unsubscribe: () => void this.#subscriptions.delete(subject) }
  }

  request(
    subject: string,
    payload: Uint8Array,
    { timeout }: { timeout: number },
  ): Promise<CoreMessage> {
    const inbox = `_REQUEST.${++this.#requests}`
    return new Promise((resolve, reject) => {
      const cancel = this.#options.life.after(timeout, 'request timeout', () => {
        this.#subscriptions.delete(inbox)
        reject(new Error('TIMEOUT'))
      })
      this.#subscriptions.set(inbox, (_error, message) => {
        this.#subscriptions.delete(inbox)
        cancel()
        if (message.headers?.code === 503) reject(new Error('503 no responders'))
        else resolve(message)
      })
      this.#send(subject, Uint8Array.from(payload), '', inbox)
    })
  }

  /** What happens from now on. */
  async *status(): AsyncIterable<CoreStatus> {
    for (let index = this.#isLost ? this.#lostAt : this.#statuses.length; ; index++) {
      while (index >= this.#statuses.length) {
        await new Promise<void>((resolve) => void this.#wakes.add(resolve))
      }
      yield this.#statuses[index] as CoreStatus
    }
  }

  isClosed(): boolean {
    return this.#isClosed
  }

  async close(): Promise<void> {
    this.abandon()
  }

  // ── the network ────────────────────────────────────────────────────────────────────────────────

  /** The process is gone, or uses another connection now. What it has sent arrives all the same. */
  abandon(): void {
    this.#isClosed = true
    this.#waiting = []
    this.#options.server.forget(this)
  }

  lose(): void {
    this.#isLost = true
    this.#generation += 1
    this.#tell('disconnect')
  }

  restore(): void {
    this.#isLost = false
    this.#tell('reconnect')
    const { timeline, mayBeVeryLate } = this.#options
    for (const { since, send } of this.#waiting.splice(0)) {
      if (mayBeVeryLate || timeline.now - since < BUFFERED_MS_MAX) send()
    }
  }

  /** What is under way for long holds nothing up any more. */
  clear(): void {
    this.#lastSentAt = 0
    this.#lastGivenAt = 0
    if (this.#isLost) this.restore()
  }

  get isLost(): boolean {
    return this.#isLost
  }

  #tell(type: string): void {
    const { life } = this.#options
    life.after(0, type, () => {
      if (type === 'disconnect') this.#lostAt = this.#statuses.length
      this.#statuses.push({ type })
      const wakes = this.#wakes
      this.#wakes = new Set()
      for (const wake of wakes) wake()
    })
  }

  #send(subject: string, payload: Uint8Array, headers: string, reply: string): void {
    if (this.#isClosed) return
    const { server, timeline, chance, weather, onFault, mayBeVeryLate } = this.#options
    if (this.#isLost) {
      const send = (): void => this.#send(subject, payload, headers, reply)
      this.#waiting.push({ since: timeline.now, send })
      return
    }
    const what = `to server: ${nameless(subject)}`
    const { requestLost, requestRepeated, requestLate, lateMsMax, latencyMsMax } = weather()
    if (chance.is(requestLost)) {
      onFault('request lost')
      timeline.note(`${what} is lost`)
      return
    }
    const generation = this.#generation
    const arrive = (): void => {
      // What was under way when the connection broke has arrived, or has not.
      if ((generation !== this.#generation && chance.is(0.5)) || server.isAway) return
      server.take(this, subject, payload, headers, reply)
    }
    let delayMs = chance.below(latencyMsMax + 1)
    if (chance.is(requestLate)) {
      onFault('request late')
      delayMs += chance.below(mayBeVeryLate ? lateMsMax * 10 : lateMsMax)
    }
    timeline.after(this.#inOrder(delayMs, 'sent'), what, arrive)
    if (chance.is(requestRepeated)) {
      onFault('request repeated')
      timeline.after(this.#inOrder(chance.below(latencyMsMax * 5), 'sent'), `${what} again`, arrive)
    }
  }

  /** Unless the weather says otherwise, what is sent later arrives later. */
  #inOrder(delayMs: number, way: 'sent' | 'given'): number {
    const { timeline, weather } = this.#options
    if (weather().reorders) return delayMs
    const last = way === 'sent' ? this.#lastSentAt : this.#lastGivenAt
    const at = Math.max(timeline.now + delayMs, last)
    if (way === 'sent') this.#lastSentAt = at
    else this.#lastGivenAt = at
    return at - timeline.now
  }

  /** An answer, on its way back. */
  toClient(reply: Reply, what: string): void {
    const { chance, weather, onFault } = this.#options
    if (this.#isClosed) return
    if (chance.is(weather().answerLost)) {
      onFault('answer lost')
      return
    }
    this.#give([reply], what)
  }

  /** Messages of a consumer; some of them may be lost. */
  deliver(replies: readonly Reply[], what: string): void {
    const { chance, weather, onFault } = this.#options
    const kept = replies.filter(() => !chance.is(weather().answerLost))
    if (kept.length < replies.length) onFault('delivery lost')
    if (kept.length > 0) this.#give(kept, what)
  }

  #give(replies: readonly Reply[], what: string): void {
    const { life, chance, weather } = this.#options
    const generation = this.#generation
    const delayMs = this.#inOrder(chance.below(weather().latencyMsMax + 1), 'given')
    life.after(delayMs, `from server: ${what}`, () => {
      if (generation !== this.#generation) return
      for (const reply of replies) {
        const { subject } = reply
        const callback =
          this.#subscriptions.get(subject) ??
          this.#subscriptions.get(`${subject.slice(0, subject.lastIndexOf('.'))}.*`)
        callback?.(null, messageOf(reply))
      }
    })
  }
}

function messageOf({ subject, reply, data, headers = {}, code = 0 }: Reply): CoreMessage {
  const core: CoreHeaders = { code, description: '', get: (name) => headers[name] ?? '' }
  return { subject, data, headers: core, ...(reply !== undefined && { reply }) }
}
