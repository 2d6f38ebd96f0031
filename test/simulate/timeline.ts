/**
 * Virtual time. Whatever happens in a simulated world is an event of its timeline: events come in the order
 * of their times, and of their making where times are equal. Between two events everything that the
 * first one set off has come to rest, so a world with the same seed goes the same way.
 */
import { crc32 } from 'node:zlib'
import { systemClock } from '../../runtime/time/clock.ts'
import type { Life } from './life.ts'

interface Event {
  readonly at: number
  readonly order: number
  readonly what: string
  /** Whose event it is; it comes to nothing when that life is over, and waits while it is paused. */
  readonly life: Life | undefined
  readonly run: () => void
}

export class Timeline {
  #now: number
  #order = 0
  readonly #events: Event[] = []
  #hash = 0
  /** Told of each event, for people. */
  onTrace: ((line: string) => void) | undefined
  eventsCount = 0

  constructor(now: number) {
    this.#now = now
  }

  get now(): number {
    return this.#now
  }

  /** A fingerprint of everything that has happened. */
  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0')
  }

  /** Something will happen. The returned function takes it back. */
  after(delayMs: number, what: string, run: () => void, life?: Life): () => void {
    const event = { at: this.#now + delayMs, order: this.#order++, what, life, run }
    this.#insert(event)
    return () => {
      const index = this.#events.indexOf(event)
      if (index >= 0) this.#events.splice(index, 1)
    }
  }

  /** Notes something that happened by itself. */
  note(what: string): void {
    this.#hash = crc32(`${this.#now} ${what}`, this.#hash)
    this.onTrace?.(`${String(this.#now).padStart(7)} ${what}`)
  }

  get isEmpty(): boolean {
    return this.#events.length === 0
  }

  /** The next event happens, and everything that it sets off. */
  async step(): Promise<void> {
    const event = this.#events.shift()
    if (event === undefined) return
    const { life, at } = event
    if (life !== undefined && !life.isAlive) return
    if (life !== undefined && life.pausedUntil > at) {
      // Keeping its number, so that what waits comes in the order in which it was to come.
      this.#insert({ ...event, at: life.pausedUntil })
      return
    }
    this.#now = at
    this.eventsCount += 1
    this.note(event.what)
    event.run()
    // A process goes on in microtasks alone: when the event loop comes round, they are done.
    await systemClock.breathe()
  }

  #insert(event: Event): void {
    let [low, high] = [0, this.#events.length]
    while (low < high) {
      const middle = (low + high) >> 1
      const { at, order } = this.#events[middle] as Event
      if (at < event.at || (at === event.at && order < event.order)) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }
}
