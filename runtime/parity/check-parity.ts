/**
 * Whether a job comes to the same results however it is run (I9): all at once, live, out of order within its
 * bound, killed and reopened, in batches and commits of other sizes. Where it does not, the smallest input that shows it.
 */
import { reasonOf } from '../errors.ts'
import { minimise } from './minimise.ts'
import { Random } from './random.ts'
import type { SampledRecord } from './sample.ts'
import { batch, type ParityJob, type Results, type Variant, VARIANTS } from './variants.ts'

export interface ParityOptions {
  readonly seed: number
  /** How often each way is tried, with another seed each time. */
  readonly rounds: number
  /** Told of each way that was tried. */
  readonly onTried: (variant: string, round: number) => void
}

/** What differs at one sink. */
export interface Difference {
  readonly sink: string
  /** Results of the reference alone, and of the other way alone. */
  readonly onlyBatch: readonly string[]
  readonly onlyOther: readonly string[]
}

export interface Counterexample {
  readonly variant: string
  readonly what: string
  readonly seed: number
  readonly records: readonly SampledRecord[]
  readonly differences: readonly Difference[]
  /** What ended one of the two runs and not the other. */
  readonly failure?: string
}

export interface ParityReport {
  /** Results of the reference, by sink. */
  readonly results: ReadonlyMap<string, number>
  readonly ways: readonly string[]
  readonly counterexample: Counterexample | undefined
}

/** Runs that look for a smaller input. */
const LOOKS_MAX = 400

/** @throws what ends the job when all records are read at once. */
export async function checkParity(
  job: ParityJob,
  records: readonly SampledRecord[],
  { seed, rounds, onTried }: ParityOptions,
): Promise<ParityReport> {
  const reference = await batch.run(job, records, new Random(seed))
  const results = new Map([...reference].map(([sink, { length }]) => [sink, length]))
  const ways = VARIANTS.map(({ name }) => name)
  for (const variant of VARIANTS) {
    for (let round = 0; round < rounds; round++) {
      const own = seed + round
      const outcome = await compare({ job, variant, seed: own }, records, reference)
      onTried(variant.name, round)
      if (isEqual(outcome)) continue
      return { results, ways, counterexample: await counterexample(job, variant, own, records) }
    }
  }
  return { results, ways, counterexample: undefined }
}

interface Way {
  readonly job: ParityJob
  readonly variant: Variant
  readonly seed: number
}

type Outcome = Pick<Counterexample, 'differences' | 'failure'>

const isEqual = ({ differences, failure }: Outcome): boolean =>
  differences.length === 0 && failure === undefined

async function compare(
  { job, variant, seed }: Way,
  records: readonly SampledRecord[],
  known?: Results,
): Promise<Outcome> {
  const expected = known ?? (await attempt(() => batch.run(job, records, new Random(seed))))
  const found = await attempt(() => variant.run(job, records, new Random(seed)))
  if (typeof expected === 'string' || typeof found === 'string') {
    // A job that fails at a record fails at it in every way.
    const failure =
      typeof expected === typeof found ? undefined : `${variant.name}: ${textOf(found)}`
    return { differences: [], ...(failure !== undefined && { failure }) }
  }
  const sinks = [...expected.keys()]
  return {
    differences: sinks
      .map((sink) => differenceOf(sink, expected.get(sink) ?? [], found.get(sink) ?? []))
      .filter(({ onlyBatch, onlyOther }) => onlyBatch.length + onlyOther.length > 0),
  }
}

const textOf = (found: Results | string): string =>
  typeof found === 'string' ? found : 'no failure'

async function attempt(run: () => Promise<Results>): Promise<Results | string> {
  try {
    return await run()
  } catch (error) {
    return reasonOf(error)
  }
}

async function counterexample(
  job: ParityJob,
  variant: Variant,
  seed: number,
  records: readonly SampledRecord[],
): Promise<Counterexample> {
  const way = { job, variant, seed }
  const shows = async (some: readonly SampledRecord[]): Promise<boolean> =>
    !isEqual(await compare(way, some))
  const smallest = await minimise(records, shows, LOOKS_MAX)
  const { name, what } = variant
  return { variant: name, what, seed, records: smallest, ...(await compare(way, smallest)) }
}

/** Both sorted. */
function differenceOf(
  sink: string,
  expected: readonly string[],
  found: readonly string[],
): Difference {
  const onlyBatch: string[] = []
  const onlyOther: string[] = []
  let [i, j] = [0, 0]
  while (i < expected.length || j < found.length) {
    const [a, b] = [expected[i], found[j]]
    if (a === b) {
      i += 1
      j += 1
    } else if (b === undefined || (a !== undefined && a < b)) {
      onlyBatch.push(a as string)
      i += 1
    } else {
      onlyOther.push(b)
      j += 1
    }
  }
  return { sink, onlyBatch, onlyOther }
}
