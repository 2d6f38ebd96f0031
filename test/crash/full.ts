/**
 * The crash tests at full size: `npm run build`, then
 *
 *     node --import tsx test/crash/full.ts --kills 200 --server-kills 20 --seed 1 --ratings ratings.csv
 *
 * Without --ratings (or MILLRACE_RATINGS) the ratings are generated. The last line says how many of
 * the scenes passed; the exit code is 1 when one did not.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generateRatings } from '../../jobs/ratings-generator.ts'
import type { Rating } from '../../jobs/schemas.ts'
import { Admin, until } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { type Outcome, runThroughCrashes } from './crashes.ts'
import { differences, latestRatings } from './expected.ts'
import { JetStreamScene, type Writing } from './jetstream-scene.ts'
import { closingRating, csvOfRatings, ratingsOfCsv } from './ratings.ts'
import { ServerCrashes } from './server-crashes.ts'

const CLI = fileURLToPath(new URL('../../dist/runtime/cli/main.js', import.meta.url))
/** The input is paced so that it lasts about as long as the lives that read it. */
const LIFE_SECONDS = 0.6
const GENERATED_RATINGS = 100_000

const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    'server-kills': { type: 'string', default: '20' },
    seed: { type: 'string', default: String(newSeed()) },
    ratings: { type: 'string', default: process.env['MILLRACE_RATINGS'] ?? '' },
    only: { type: 'string', default: '' },
  },
})
const seed = Number(flags.seed)
const kills = Number(flags.kills)
const serverKills = Number(flags['server-kills'])
const folder = mkdtempSync(join(tmpdir(), 'millrace-crash-full-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const { file, ratings } = theRatings()
console.log(`seed ${seed} · ${ratings.length} ratings of ${flags.ratings || 'the generator'}`)

const scenes: Readonly<Record<string, () => Promise<string[]>>> = {
  'file to file': fileToFile,
  'stream to its own stream': () => streamToStream('own', 1),
  // The slower ways to write get fewer ratings and fewer kills.
  'stream to a shared stream, by ids': () => streamToStream('shared', 0.2),
  'stream to a shared stream, chained': () => streamToStream('sharedChained', 0.05),
}
const played = Object.entries(scenes).filter(([name]) => name.includes(flags.only))

let passed = 0
for (const [name, play] of played) {
  const startedAt = performance.now()
  const problems = await play().catch((error: unknown) => [String(error)])
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0)
  console.log(`${problems.length === 0 ? 'passed' : 'FAILED'}: ${name}, ${seconds} s`)
  for (const problem of problems) console.log(`  ${problem}`)
  if (problems.length === 0) passed += 1
}
console.log(`${passed} of ${played.length} scenes passed (seed ${seed})`)
process.exit(passed === played.length ? 0 : 1)

function theRatings(): { file: string; ratings: Rating[] } {
  if (flags.ratings !== '') {
    return { file: flags.ratings, ratings: ratingsOfCsv(readFileSync(flags.ratings, 'utf8')) }
  }
  const options = { ratings: GENERATED_RATINGS, seed, brokenShare: 0 }
  const made = [...generateRatings(options)].filter((item) => typeof item !== 'string')
  const path = join(folder, 'ratings.csv')
  writeFileSync(path, csvOfRatings(made))
  return { file: path, ratings: made }
}

function tell(outcome: Outcome, more: string): void {
  const kinds = [...outcome.deaths].map(([death, count]) => `${death} ${count}`).join(', ')
  console.log(`  ${outcome.kills} kills of the job (${kinds})${more}`)
  console.log(`  ${outcome.end.records} records, ${outcome.end.results} results`)
}

/** In the order of the file; in batch the time is told at its end only, so that nothing is late. */
async function fileToFile(): Promise<string[]> {
  const problems: string[] = []
  let left = Math.ceil(kills / 5)
  // A batch is soon over: it is run again and again, from a fresh state, until all kills are done.
  for (let round = 1; left > 0 && round <= kills; round++) {
    const { kills: died, problems: found } = await fileRound(round, left)
    left -= died
    problems.push(...found)
  }
  return problems
}

async function fileRound(
  round: number,
  killsLeft: number,
): Promise<{ kills: number; problems: string[] }> {
  const path = join(folder, `latest-${round}.jsonl`)
  const outcome = await runThroughCrashes({
    seed: seed + round,
    kills: killsLeft,
    deaths: ['outside', 'opening', 'written', 'flushed', 'applied', 'read'],
    life: {
      job: 'latest-rating',
      mode: 'batch',
      stateDir: join(folder, `file-state-${round}`),
      set: [
        `sources.ratings.file.path=${file}`,
        'sources.ratings.eventTime.order=unordered',
        `sinks.latest.file.path=${path}`,
      ],
    },
    outsideDelayMsMax: 150,
  })
  tell(outcome, '')
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return { kills: outcome.kills, problems: differences(lines, latestRatings(ratings)) }
}

async function streamToStream(writing: Writing, share: number): Promise<string[]> {
  const part = ratings.slice(0, Math.ceil(ratings.length * share))
  const partFile = join(folder, `${writing}.csv`)
  writeFileSync(partFile, csvOfRatings(part))
  const server = await NatsServer.start()
  const admin = await Admin.open(server)
  const scene = new JetStreamScene(admin, server, writing, part)
  await scene.makeStreams()
  const jobKills = Math.ceil(kills * share)
  const seconds = jobKills * LIFE_SECONDS
  const publishing = publish(partFile, server.url, part, seconds)
  const closed = publishing.then(async () => {
    await scene.connected()
    await admin.appendTexts('ratings', [JSON.stringify(closingRating(part))])
  })
  await until(async () => (await admin.lastSequence('RATINGS')) > 0, 'the first message')
  // It is away for 150 ms on average, and a client needs a while to find it again.
  const crashes = new ServerCrashes(server, {
    random: randomFrom(seed + 1),
    kills: Math.ceil(serverKills * share),
    aliveMsMax: Math.max(500, (2_000 * seconds) / Math.ceil(serverKills * share) - 1_000),
    awayMsMax: 300,
  })
  // A failure of either ends the scene; it is awaited where the lives are over.
  const appended = Promise.all([crashes.finished(), closed])
  appended.catch(() => undefined)
  try {
    const outcome = await runThroughCrashes({
      seed,
      kills: jobKills,
      life: scene.life(join(folder, `${writing}-state`)),
      beforeLife: () => scene.writeForeign().catch(() => undefined),
      isDone: scene.isDone,
    })
    await appended
    tell(outcome, `, ${crashes.kills} of the server`)
    return await scene.differences()
  } finally {
    await crashes.stop()
    await admin.close()
    await server.remove()
  }
}

/** Publishes the ratings in the order of their time, by the command, over about so many seconds. */
async function publish(
  path: string,
  servers: string,
  part: readonly Rating[],
  seconds: number,
): Promise<void> {
  const times = part.map(({ timestamp }) => timestamp).toSorted((a, b) => a - b)
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0)
  const speed = Math.max(1, Math.ceil(span / seconds))
  const argv = ['publish', path, '--to', 'jetstream', '--stream', 'RATINGS', '--servers', servers]
  const pace = ['--order-by', 'timestamp', '--speed', `${speed}x`, '--quiet']
  const child = spawn(process.execPath, [CLI, ...argv, ...pace], { stdio: 'inherit' })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`millrace publish ended with ${String(code)}`)
}
