/**
 * Batch = live = batch and then live at full size: `npm run build`, then
 *
 *     node --import tsx test/crash/replay-full.ts --switches 20 --seed 1 --ratings ratings.csv
 *
 * Without --ratings (or MILLRACE_RATINGS) the ratings are generated. They are published in the order of
 * their time. The last line says how many of the runs passed; the exit code is 1 when one did not.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { newSeed, randomFrom } from '../support/random.ts'
import { ratingsOfCsv, testInput } from './ratings.ts'
import { SwitchScene } from './switch-scene.ts'

const GENERATED_RATINGS = 100_000

const { values: flags } = parseArgs({
  options: {
    switches: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(newSeed()) },
    ratings: { type: 'string', default: process.env['MILLRACE_RATINGS'] ?? '' },
  },
})
const seed = Number(flags.seed)
const ratings =
  flags.ratings === ''
    ? testInput(GENERATED_RATINGS, seed).ratings
    : ratingsOfCsv(readFileSync(flags.ratings, 'utf8')).toSorted(
        (a, b) => a.timestamp - b.timestamp,
      )
console.log(`seed ${seed} · ${ratings.length} ratings of ${flags.ratings || 'the generator'}`)

const folder = mkdtempSync(join(tmpdir(), 'millrace-replay-full-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const scene = new SwitchScene(folder, ratings)
const random = randomFrom(seed)

let [passed, runs] = [0, 0]
function tell(what: string, problems: readonly string[]): void {
  runs += 1
  if (problems.length === 0) passed += 1
  console.log(`${problems.length === 0 ? 'passed' : 'FAILED'}: ${what}`)
  for (const problem of problems) console.log(`  ${problem}`)
}

for (const mode of ['batch', 'live'] as const) {
  tell(mode, await scene.straight(mode).catch((error: unknown) => [String(error)]))
}
for (let round = 1; round <= Number(flags.switches); round++) {
  const count = Math.floor(random() * ratings.length)
  const what = `batch up to ${count}, then live`
  try {
    const { problems, diedIn, at } = await scene.switchedAt(count, seed + round)
    tell(`${what}, killed at ${at}, when the state said ${diedIn}`, problems)
  } catch (error) {
    tell(what, [String(error)])
  }
}
console.log(`${passed} of ${runs} runs passed (seed ${seed})`)
process.exit(passed === runs ? 0 : 1)
