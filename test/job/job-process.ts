/** A job in a folder of its own, run by the built command in real processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../dist/runtime/cli/main.js', import.meta.url))
/** A process that takes longer hangs. */
const PROCESS_MS_MAX = 60_000

export interface JobProcess {
  readonly child: ChildProcess
  /** What it has printed so far, on both streams. */
  readonly output: () => string
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

export interface StartOptions {
  /** What the command runs under: `ulimit -f 100` in a shell. */
  readonly under?: string
  /** Runs as another user; only root may. */
  readonly uid?: number
}

/** Counts each user's records. The parts that make up the shape of its state can be changed. */
export const jobText = ({
  name = 'last-seen',
  operator = 'seen',
  version = 1,
  cell = 'count',
} = {}): string => `import { actor, job, value } from 'millrace'

const Seen = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }

const seen = actor('${operator}', {
  version: ${version},
  state: { ${cell}: value() },
  onRecord(record, key) {
    const count = (key.state.${cell}.get() ?? 0) + 1
    key.state.${cell}.set(count)
    key.emit({ user: record.user, n: record.n, count })
  },
})

export default job('${name}', ({ source, sink }) => {
  source('seen', Seen).keyBy((record) => record.user).process(seen).to(sink('out'))
})
`

export const FILE_MANIFEST = `job: ./job.js
sources:
  seen:
    file: { path: in.jsonl }
    eventTime: { field: at, unit: s, order: ordered }
sinks:
  out:
    file: { path: out.jsonl }
`

const USERS = 5

/** Records n = from … to, in the order of their time. */
export const records = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => {
    const n = from + i
    return JSON.stringify({ user: n % USERS, n, at: 1_700_000_000 + n })
  })

/** What has to come out for the records 1 … to, in order. */
export const results = (to: number): string[] =>
  Array.from({ length: to }, (_, i) => {
    const n = i + 1
    const user = n % USERS
    // How many of 1 … n are of this user.
    const count = Math.floor((n - user) / USERS) + (user === 0 ? 0 : 1)
    return JSON.stringify({ user, n, count })
  })

export const textOf = (lines: readonly string[]): string =>
  lines.map((line) => `${line}\n`).join('')

export class JobFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-job-'))
  readonly #processes: ChildProcess[] = []

  constructor(manifest = FILE_MANIFEST) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is not there: npm run build`)
    this.write('package.json', '{"type":"module"}')
    this.write('job.js', jobText())
    this.write('job.yaml', manifest)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text)
  }

  read(name: string): string {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8') : ''
  }

  /** Digest of the data file of a task in a state folder. */
  dataHash(stateDir = 'state', task = 0): string {
    const bytes = readFileSync(this.path(`${stateDir}/task-${task}/data.mdb`))
    return createHash('sha256').update(bytes).digest('hex')
  }

  /** Starts `millrace run job.yaml --state state` with more flags. */
  start(flags: readonly string[] = [], { under, uid }: StartOptions = {}): JobProcess {
    const argv = [MAIN, 'run', 'job.yaml', '--state', 'state', '--log-level', 'info', ...flags]
    const [file, args] =
      under === undefined
        ? [process.execPath, argv]
        : ['/bin/sh', ['-c', `${under}; exec "$0" "$@"`, process.execPath, ...argv]]
    const child = spawn(file, args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid !== undefined && { uid }),
    })
    this.#processes.push(child)
    let output = ''
    const read = (bytes: Buffer): void => void (output += bytes.toString())
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    const hangs = setTimeout(() => child.kill('SIGABRT'), PROCESS_MS_MAX)
    const ended = new Promise<number | NodeJS.Signals>((resolve) => {
      child.once('close', (code, signal) => {
        clearTimeout(hangs)
        resolve(signal ?? code ?? -1)
      })
    })
    return { child, output: () => output, ended }
  }

  /** Runs it to its end. */
  async run(
    flags: readonly string[] = [],
    options: StartOptions = {},
  ): Promise<{ readonly code: number | NodeJS.Signals; readonly output: string }> {
    const run = this.start(flags, options)
    const code = await run.ended
    return { code, output: run.output() }
  }

  remove(): void {
    for (const child of this.#processes) child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
