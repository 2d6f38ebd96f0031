/**
 * One stream of ratings, read three ways: in batch, live, and in batch up to a point and live from
 * there, killed around the switch. The results are those of an independent computation each time.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Rating } from '../../jobs/schemas.ts'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'
import { openAllCommitted } from '../../runtime/state/read-state.ts'
import type { Moment } from '../../runtime/task/task-parts.ts'
import { take, textOf, until } from '../support/jetstream.ts'
import { randomFrom } from '../support/random.ts'
import { differences, latestRatings } from './expected.ts'
import { Life, type LifeOptions } from './life.ts'
import { closingRating } from './ratings.ts'

export interface Switched {
  /** How the results differ from the expected ones. */
  readonly problems: readonly string[]
  /** What the state said after the kill: the batch was not over yet, or it was. */
  readonly diedIn: 'opening' | 'batch' | 'live'
  /** The moment of the commit protocol, and its occurrence in that life. */
  readonly at: string
}

/**
 * Moments around the switch, and which occurrence of them comes first there: a short batch commits when
 * it is opened, twice, and then at its end.
 */
const SWITCH_MOMENTS: readonly (readonly [Moment, number])[] = [
  ['written', 3],
  ['flushed', 3],
  ['sent', 1],
  ['acknowledged', 1],
  ['trimmed', 1],
]
const OCCURRENCES = 4
/** A life whose moment has not come by then is killed without it. */
const KILL_MS_MAX = 20_000

export class SwitchScene {
  readonly #folder: string
  readonly #ratings: readonly Rating[]
  readonly #expected: readonly string[]
  #scenes = 0

  /** @param ratings in the order in which they are published: nothing in it may be late. */
  constructor(folder: string, ratings: readonly Rating[]) {
    this.#folder = folder
    this.#ratings = ratings
    this.#expected = latestRatings(ratings)
  }

  /** All of it in one mode, without a kill. */
  async straight(mode: 'batch' | 'live'): Promise<readonly string[]> {
    const { log, life } = await this.#scene(mode, [])
    await publish(log, this.#ratings)
    const run = new Life(life)
    if (mode === 'live') {
      await publish(log, [closingRating(this.#ratings)])
      await this.#allOut(log)
      run.stop()
    }
    return [...(await ended(run)), ...(await this.#problems(log))]
  }

  /** In batch up to a number of ratings, with a kill somewhere around the switch, then live to the end. */
  async switchedAt(count: number, seed: number): Promise<Switched> {
    const random = randomFrom(seed)
    const order = random() < 0.5 ? 'ordered' : 'unordered'
    const { log, life } = await this.#scene('batch', ['followedBy=live'], order)
    await publish(log, this.#ratings.slice(0, count))
    const [moment, from] = SWITCH_MOMENTS[Math.floor(random() * SWITCH_MOMENTS.length)] ?? [
      'written',
      3,
    ]
    const occurrence = from + Math.floor(random() * OCCURRENCES)
    const first = new Life({ ...life, killAt: { moment, occurrence } })
    await first.opened
    // While the batch is read, and behind its end: none of it may be part of the batch.
    const half = count + Math.floor((this.#ratings.length - count) / 2)
    await publish(log, this.#ratings.slice(count, half))
    const timer = setTimeout(() => first.kill(), KILL_MS_MAX)
    const how = await first.ended
    clearTimeout(timer)
    const diedIn = await phaseIn(life.stateDir)
    const died = how === 'SIGKILL' ? [] : [`the killed life ended with ${how}: ${first.story}`]

    const last = new Life(life)
    await publish(log, this.#ratings.slice(half))
    await publish(log, [closingRating(this.#ratings)])
    await this.#allOut(log)
    last.stop()
    const problems = [...died, ...(await ended(last)), ...(await this.#problems(log))]
    return { problems, diedIn, at: `${moment} ${occurrence}` }
  }

  async #scene(
    mode: 'batch' | 'live',
    set: readonly string[],
    order = 'ordered',
  ): Promise<{ log: EmbeddedLog; life: LifeOptions }> {
    const folder = join(this.#folder, `scene-${++this.#scenes}`)
    mkdirSync(folder)
    const path = join(folder, 'log')
    const log = await EmbeddedLog.open(path)
    await log.createStream('ratings')
    await log.createStream('latest')
    const source = {
      embedded: { stream: 'ratings', log: path },
      eventTime: { field: 'timestamp', unit: 's', order },
    }
    return {
      log,
      life: {
        job: 'latest-rating',
        mode,
        stateDir: join(folder, 'state'),
        set: [
          `sources.ratings=${JSON.stringify(source)}`,
          `sinks.latest=${JSON.stringify({ embedded: { stream: 'latest', log: path } })}`,
          ...set,
        ],
      },
    }
  }

  async #allOut(log: EmbeddedLog): Promise<void> {
    const areOut = async (): Promise<boolean> =>
      (await log.inspect('latest', 0)).last >= this.#expected.length
    await until(areOut, `${this.#expected.length} results`, 50_000)
  }

  async #problems(log: EmbeddedLog): Promise<string[]> {
    const { last } = await log.inspect('latest', 0)
    const reader = await log.read('latest', 0, 0)
    const found = (await take(reader, { through: last })).map(textOf)
    await reader.close()
    await log.close()
    return differences(found, this.#expected)
  }
}

async function publish(log: EmbeddedLog, ratings: readonly Rating[]): Promise<void> {
  const messages = ratings.map((rating) => Buffer.from(JSON.stringify(rating)))
  if (messages.length > 0) await log.append('ratings', 0, messages)
}

async function ended(life: Life): Promise<string[]> {
  const how = await life.ended
  const { late = -1 } = life.end ?? {}
  return how === 0 && late === 0 ? [] : [`ended with ${how}, ${late} late: ${life.story}`]
}

async function phaseIn(stateDir: string): Promise<Switched['diedIn']> {
  const tasks = await openAllCommitted(stateDir).catch(() => [])
  for (const { store } of tasks) await store.close()
  const [task] = tasks
  return task === undefined ? 'opening' : task.last.live === true ? 'live' : 'batch'
}
