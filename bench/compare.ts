/** Runs ours and the baseline in turns, so that a slow minute of the machine hits both. */
import type { Row, RunOptions } from './subject.ts'

/** One run of one side in a fresh process. */
export interface Measurement {
  readonly records: number
  readonly seconds: number
  /** Of the results; undefined where a baseline makes none. */
  readonly checksum: string | undefined
  readonly peakRssAnonBytes: number | undefined
}

export interface Sides {
  readonly ours: () => Promise<Measurement>
  readonly baseline: () => Promise<Measurement>
  /** What both checksums must be, when it is known from elsewhere. */
  readonly checksum?: string
}

export interface Comparison {
  readonly ours: readonly Measurement[]
  readonly baseline: readonly Measurement[]
}

/** @throws Error when the results of two runs differ. */
export async function compare(
  what: string,
  sides: Sides,
  { rounds, progress }: RunOptions,
): Promise<Comparison> {
  const ours: Measurement[] = []
  const baseline: Measurement[] = []
  let expected = sides.checksum
  for (let round = 1; round <= rounds; round++) {
    for (const [name, run, list] of [
      ['ours', sides.ours, ours],
      ['baseline', sides.baseline, baseline],
    ] as const) {
      const measurement = await run()
      progress(
        `${what}, round ${round} of ${rounds}, ${name}: ${ratePerSecond(measurement)}, ${measurement.checksum ?? 'no results'}`,
      )
      expected ??= measurement.checksum
      if (measurement.checksum !== undefined && measurement.checksum !== expected) {
        throw new Error(
          `${what}: the results differ: ${name} has ${measurement.checksum}, expected is ${expected}`,
        )
      }
      list.push(measurement)
    }
  }
  return { ours, baseline }
}

/** What a comparison must reach. */
export interface Goal {
  /** Records a second; undefined where only the ratio counts. */
  readonly rateMin?: number
  /** Share of the baseline's rate. */
  readonly ratioMin: number
}

export function rowOf(what: string, { ours, baseline }: Comparison, goal: Goal): Row {
  const rate = median(ours.map(rateOf))
  const ratio = rate / median(baseline.map(rateOf))
  return {
    what,
    ours: `${inThousands(rate)} ± ${spreadOf(ours)}`,
    baseline: `${inThousands(median(baseline.map(rateOf)))} ± ${spreadOf(baseline)}`,
    ratio: inPercent(ratio),
    goal: [
      ...(goal.rateMin === undefined ? [] : [inThousands(goal.rateMin)]),
      inPercent(goal.ratioMin),
    ].join(', '),
    met: ratio >= goal.ratioMin && rate >= (goal.rateMin ?? 0),
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

const rateOf = ({ records, seconds }: Measurement): number => records / seconds
const inThousands = (rate: number): string => `${Math.round(rate / 1_000).toLocaleString('en')} k/s`
const inPercent = (share: number): string => `${Math.round(share * 100)} %`
const ratePerSecond = (measurement: Measurement): string => inThousands(rateOf(measurement))

/** Half of the range of the rounds, in relation to their median. */
function spreadOf(measurements: readonly Measurement[]): string {
  const rates = measurements.map(rateOf)
  return inPercent((Math.max(...rates) - Math.min(...rates)) / 2 / median(rates))
}
