/** Hands the durable frames of one outbox to the task that reads them, which fetches them itself. */
import { StateError } from '../errors.ts'
import type { Handover } from './delivery.ts'
import type { SendingEnd } from './exchange-link.ts'
import type { Outbox } from './outbox.ts'

export class FrameDelivery implements Handover {
  readonly to = 'task'
  readonly outbox: Outbox
  readonly #link: SendingEnd
  readonly #onProgress: () => void
  readonly failure = undefined
  #isOpen = false

  /** @param onProgress called when the reader has passed more. */
  constructor(outbox: Outbox, link: SendingEnd, onProgress: () => void) {
    this.outbox = outbox
    this.#link = link
    this.#onProgress = onProgress
  }

  /** @throws StateError when the reader has taken what this outbox has not made. */
  async openSink(): Promise<void> {
    const { outbox } = this
    const { passed } = this.#link
    if (passed > outbox.count) {
      throw new StateError(
        `'${outbox.name}' has made ${outbox.count} frames, and the task that reads it has taken ${passed}: one of their stores is an older copy. Restore both from one snapshot.`,
      )
    }
    if (passed > outbox.takenNumber) outbox.acknowledge({ number: passed, memo: null })
  }

  start(): void {
    this.#isOpen = true
    this.#link.open(this.outbox)
    this.#link.onPassed = () => this.#notePassed()
    // What the reader has passed since `openSink` nobody was told, and it may never pass more.
    if (this.#link.passed > this.outbox.takenNumber) this.#notePassed()
  }

  #notePassed(): void {
    this.outbox.acknowledge({ number: this.#link.passed, memo: null })
    this.#onProgress()
  }

  announce(durableEpoch: number): void {
    // Until it is open the link may still know rows of an earlier opening, which may not have lasted.
    if (this.#isOpen) this.#link.announce(durableEpoch)
  }

  async stop(): Promise<void> {
    this.#isOpen = false
    this.#link.close()
  }
}
