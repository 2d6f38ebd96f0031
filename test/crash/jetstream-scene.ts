/** A job between two JetStream streams, and what has to come out of it. */
import type { Rating } from '../../jobs/schemas.ts'
import { type Admin, until } from '../support/jetstream.ts'
import type { NatsServer } from '../support/nats-server.ts'
import { differences, latestRatings } from './expected.ts'
import type { LifeOptions } from './life.ts'

/** How the job writes: into a stream of its own, or into one that others write too. */
export type Writing = 'own' | 'shared' | 'sharedChained'

const SINKS: Readonly<Record<Writing, object>> = {
  own: {},
  shared: { shared: true },
  sharedChained: { shared: true, chained: true },
}
/** What others write into a shared stream. */
const FOREIGN = '"written by somebody else"'

export class JetStreamScene {
  readonly admin: Admin
  readonly server: NatsServer
  readonly #writing: Writing
  readonly #expected: readonly string[]

  constructor(admin: Admin, server: NatsServer, writing: Writing, ratings: readonly Rating[]) {
    this.admin = admin
    this.server = server
    this.#writing = writing
    this.#expected = latestRatings(ratings)
  }

  async makeStreams(): Promise<void> {
    await this.admin.makeStream('RATINGS', { subjects: ['ratings'] })
    // A stream of its own is made by the job.
    if (this.#writing !== 'own') {
      await this.admin.makeStream('LATEST', { subjects: ['latest', 'foreign'] })
    }
  }

  life(stateDir: string): LifeOptions {
    const servers = this.server.url
    const source = {
      jetstream: { stream: 'RATINGS', servers },
      eventTime: { field: 'timestamp', unit: 's', order: 'ordered' },
    }
    const stream = { stream: 'LATEST', subject: 'latest', servers, ...SINKS[this.#writing] }
    return {
      job: 'latest-rating',
      mode: 'live',
      stateDir,
      set: [
        `sources.ratings=${JSON.stringify(source)}`,
        `sinks.latest=${JSON.stringify({ jetstream: stream })}`,
      ],
    }
  }

  /** Resolves when the administrator's connection has found the server again. */
  async connected(): Promise<void> {
    const answers = (): Promise<boolean> =>
      this.admin.lastSequence('RATINGS').then(
        () => true,
        () => false,
      )
    await until(answers, 'the connection to the server started again')
  }

  /** Somebody else writes into the shared stream; nothing happens to one of the job's own. */
  async writeForeign(): Promise<void> {
    if (this.#writing !== 'own') await this.admin.appendTexts('foreign', [FOREIGN, FOREIGN])
  }

  /** Whether as many results are there as there should be; false while the server is away. */
  readonly isDone = async (): Promise<boolean> => {
    const last = await this.admin.lastSequence('LATEST').catch(() => 0)
    if (last < this.#expected.length) return false
    if (this.#writing === 'own') return true
    return (await this.#results().catch(() => [])).length >= this.#expected.length
  }

  async #results(): Promise<string[]> {
    return (await this.admin.texts('LATEST')).filter((text) => text !== FOREIGN)
  }

  /** How the results in the stream differ from the expected ones. */
  async differences(): Promise<string[]> {
    // The server may have been killed last, and the look at it is no part of what is tested.
    let results: string[] | undefined
    await until(async () => {
      results = await this.#results().catch(() => undefined)
      return results !== undefined
    }, 'the results to be read')
    return differences(results ?? [], this.#expected)
  }
}
