/** Kills a nats-server and starts it again, at random, while jobs that use it live and die. */
import type { NatsServer } from '../support/nats-server.ts'

export interface ServerCrashesOptions {
  readonly random: () => number
  /** How often it is killed. */
  readonly kills: number
  /** Longest time that it lives between two kills. */
  readonly aliveMsMax: number
  /** Longest time that it is away. */
  readonly awayMsMax: number
}

const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs))

export class ServerCrashes {
  readonly #server: NatsServer
  readonly #options: ServerCrashesOptions
  readonly #over: Promise<void>
  #isPaused = false
  #isAway = false
  #isStopped = false
  /** How often the server was killed so far. */
  kills = 0

  constructor(server: NatsServer, options: ServerCrashesOptions) {
    this.#server = server
    this.#options = options
    this.#over = this.#run()
  }

  async #run(): Promise<void> {
    const { random, kills, aliveMsMax, awayMsMax } = this.#options
    while (this.kills < kills && !this.#isStopped) {
      await pause(random() * aliveMsMax)
      while (this.#isPaused) await pause(5)
      this.#isAway = true
      await this.#server.kill()
      await pause(random() * awayMsMax)
      await this.#server.start()
      this.#isAway = false
      this.kills += 1
    }
  }

  /** Keeps the server alive while something is done with it. */
  async spare<Result>(action: () => Promise<Result>): Promise<Result> {
    this.#isPaused = true
    try {
      while (this.#isAway) await pause(5)
      return await action()
    } finally {
      this.#isPaused = false
    }
  }

  /** Resolves when it was killed as often as asked, and answers again. */
  async finished(): Promise<void> {
    await this.#over
  }

  /** Kills it no more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#over
  }
}
