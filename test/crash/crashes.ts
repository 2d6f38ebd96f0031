/** Runs a job through many deaths: at moments of the commit protocol, while it opens, and at any time. */
import { MOMENTS, type Moment } from '../../runtime/task/task-parts.ts'
import { randomFrom } from '../support/random.ts'
import { Life, type LifeEnd, type LifeOptions } from './life.ts'

export interface Crashes {
  readonly seed: number
  /** How many lives end by SIGKILL before the last one is left alone. */
  readonly kills: number
  /** What every life is made of; commit limits are drawn anew for each. */
  readonly life: Omit<LifeOptions, 'killAt'>
  /** Which deaths are drawn; default: all kinds. */
  readonly deaths?: readonly Death[]
  /** Called before each life, and told how many were before it. */
  readonly beforeLife?: (lives: number) => void | Promise<void>
  /** Says when a live job has nothing more to do, while its last life runs. */
  readonly isDone?: () => Promise<boolean>
  /** 'small': a short input has several epochs; default 'any'. */
  readonly epochs?: 'small' | 'any'
  /** Longest time between the opening and a kill from outside. */
  readonly outsideDelayMsMax?: number
}

export type Death = Moment | 'opening' | 'outside'

export interface Outcome {
  readonly end: LifeEnd
  /** How often each kind of death came to be. */
  readonly deaths: ReadonlyMap<Death, number>
  readonly kills: number
}

const ALL_DEATHS: readonly Death[] = [...MOMENTS, 'outside', 'opening', 'outside']
/** About the time in which a life opens. */
const OPENING_MS_MAX = 500
/** A life whose moment has not come by then is killed without it. */
const MOMENT_MS_MAX = 1_500

/** @throws when a life ends in any other way than by its death, or at its work's end. */
export async function runThroughCrashes(crashes: Crashes): Promise<Outcome> {
  const { kills, life, deaths: kinds = ALL_DEATHS, epochs, beforeLife } = crashes
  const random = randomFrom(crashes.seed)
  const deaths = new Map<Death, number>()
  let died = 0
  while (died < kills) {
    await beforeLife?.(died)
    const death = await liveAndDie(kinds[died % kinds.length] ?? 'outside', random, crashes)
    if (death === undefined) break
    died += 1
    deaths.set(death, (deaths.get(death) ?? 0) + 1)
  }
  await beforeLife?.(died)
  const last = new Life({ ...life, set: [...life.set, ...drawLimits(random, epochs)] })
  if (crashes.isDone !== undefined) await stopWhenDone(last, crashes.isDone)
  const how = await last.ended
  if (how !== 0 || last.end === undefined) throw unexpected('the last life', how, last)
  return { end: last.end, deaths, kills: died }
}

/** How it died; undefined when the bounded input came to its end before. */
async function liveAndDie(
  death: Death,
  random: () => number,
  { life: options, epochs, outsideDelayMsMax = 60 }: Crashes,
): Promise<Death | undefined> {
  const set = [...options.set, ...drawLimits(random, epochs)]
  const isMoment = death !== 'outside' && death !== 'opening'
  // The first two commits are the opening's: a later one is the death of a life that got somewhere.
  const occurrence = 1 + Math.floor(random() * 3)
  const life = new Life({
    ...options,
    set,
    ...(isMoment && { killAt: { moment: death, occurrence } }),
  })
  const delayMs = random() * (death === 'opening' ? OPENING_MS_MAX : outsideDelayMsMax)
  if (death !== 'opening') await life.opened
  let died = death
  const kill = (): void => {
    // A live job that waits for more never comes to its moment: it is killed all the same.
    if (isMoment) died = 'outside'
    life.kill()
  }
  const timer = setTimeout(kill, isMoment ? MOMENT_MS_MAX : delayMs)
  const how = await life.ended
  clearTimeout(timer)
  if (how === 0 && life.end?.finished === true) return undefined
  if (how !== 'SIGKILL') throw unexpected(`a life with ${set.join(' ')}`, how, life)
  return died
}

/** Another commit interval and batch size for each life: they must not matter. */
function drawLimits(random: () => number, epochs: Crashes['epochs'] = 'any'): string[] {
  const draw = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(random() * values.length)] as Value
  const isSmall = epochs === 'small'
  return [
    `commit.every=${draw(isSmall ? ['1ms', '5ms'] : ['1ms', '3ms', '20ms', '100ms'])}`,
    `commit.records=${draw(isSmall ? [1, 100, 3_000] : [1, 100, 3_000, 500_000])}`,
    `commit.bytes=${draw(['1kB', '64kB', '64MB'])}`,
    `cache.entries=${draw([20, 300, 1_000_000])}`,
  ]
}

async function stopWhenDone(life: Life, isDone: () => Promise<boolean>): Promise<void> {
  await life.opened
  let isOver = false
  void life.ended.then(() => (isOver = true))
  while (!isOver && !(await isDone())) await new Promise((resolve) => setTimeout(resolve, 20))
  life.stop()
}

function unexpected(what: string, how: number | string, life: Life): Error {
  return new Error(`${what} ended with ${how}:\n${life.story}`)
}
