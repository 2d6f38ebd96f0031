/** Files that benchmarks read: made once, kept outside the project, checked before use. */
import { createHash } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export const DATA_FOLDER = join(tmpdir(), `millrace-bench-${userInfo().username}`)

/** What a file was made from and what it must be; kept beside it. */
interface Receipt {
  /** Says what the lines were made from; to be changed whenever they change. */
  readonly recipe: string
  readonly bytes: number
  readonly sha256: string
}

const CHUNK_LINES = 20_000

/** The path of a file with these lines; made unless it is there and whole. */
export async function dataFile(
  name: string,
  recipe: string,
  lines: () => Iterable<string>,
): Promise<string> {
  mkdirSync(DATA_FOLDER, { recursive: true })
  const path = join(DATA_FOLDER, name)
  if (!(await isWhole(path, recipe))) {
    write(path, lines())
    const receipt: Receipt = { recipe, bytes: statSync(path).size, sha256: await sha256Of(path) }
    writeFileSync(`${path}.json`, JSON.stringify(receipt))
  }
  return path
}

async function isWhole(path: string, recipe: string): Promise<boolean> {
  if (!existsSync(path) || !existsSync(`${path}.json`)) return false
  const receipt = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Receipt
  return (
    receipt.recipe === recipe &&
    receipt.bytes === statSync(path).size &&
    receipt.sha256 === (await sha256Of(path))
  )
}

function write(path: string, lines: Iterable<string>): void {
  const unfinished = `${path}.${process.pid}`
  const file = openSync(unfinished, 'w')
  let chunk = ''
  let count = 0
  for (const line of lines) {
    chunk += `${line}\n`
    if (++count % CHUNK_LINES !== 0) continue
    writeSync(file, chunk)
    chunk = ''
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
