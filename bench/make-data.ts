/** The ratings that the file benchmarks read: made once, kept outside the project, checked before use. */
import { createHash } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { generateRatings } from '../jobs/ratings-generator.ts'

export const DATA_FOLDER = join(tmpdir(), `millrace-bench-${userInfo().username}`)

export interface BenchData {
  /** CSV with a header, in time order, like MovieLens' ratings.csv. */
  readonly path: string
  readonly records: number
}

/** What a file was made from and what it must be; kept beside it. */
interface Receipt {
  readonly format: number
  readonly records: number
  readonly users: number
  readonly bytes: number
  readonly sha256: string
}

/** To be raised whenever the generator's output changes. */
const FORMAT = 1
const DAY_SECONDS = 86_400
const CHUNK_LINES = 20_000

/** One day of event time with `records` ratings of `users` users. Made unless it is there and whole. */
export async function makeData(records = 5_000_000, users = 10_000): Promise<BenchData> {
  mkdirSync(DATA_FOLDER, { recursive: true })
  const path = join(DATA_FOLDER, `ratings-${records}-of-${users}.csv`)
  if (!(await isWhole(path, { records, users }))) {
    write(path, records, users)
    const receipt: Receipt = {
      format: FORMAT,
      records,
      users,
      bytes: statSync(path).size,
      sha256: await sha256Of(path),
    }
    writeFileSync(`${path}.json`, JSON.stringify(receipt))
  }
  return { path, records }
}

async function isWhole(path: string, wanted: { records: number; users: number }): Promise<boolean> {
  if (!existsSync(path) || !existsSync(`${path}.json`)) return false
  const receipt = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Receipt
  return (
    receipt.format === FORMAT &&
    receipt.records === wanted.records &&
    receipt.users === wanted.users &&
    receipt.bytes === statSync(path).size &&
    receipt.sha256 === (await sha256Of(path))
  )
}

function write(path: string, records: number, users: number): void {
  const unfinished = `${path}.${process.pid}`
  const file = openSync(unfinished, 'w')
  const ratings = generateRatings({
    ratings: records,
    users,
    perSecond: records / DAY_SECONDS,
    outOfOrderShare: 0,
    brokenShare: 0,
  })
  let chunk = 'userId,movieId,rating,timestamp\n'
  let lines = 0
  for (const item of ratings) {
    if (typeof item === 'string') continue
    chunk += `${item.userId},${item.movieId},${item.rating.toFixed(1)},${item.timestamp}\n`
    lines += 1
    if (lines % CHUNK_LINES === 0) {
      writeSync(file, chunk)
      chunk = ''
    }
  }
  writeSync(file, chunk)
  closeSync(file)
  renameSync(unfinished, path)
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
