/** Runs a program in a fresh process, with its time and its memory. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'

const SAMPLE_INTERVAL_MS = 20
const OUTPUT_CHARACTERS_MAX = 100_000

export interface ChildRun {
  /** From before the process was started until it was gone. */
  readonly seconds: number
  /** Largest anonymous memory seen, sampled every 20 ms; undefined where there is no /proc. */
  readonly peakRssAnonBytes: number | undefined
  readonly stdout: string
}

/** Runs node with these arguments to its end. @throws Error with what it said when it fails. */
export async function runChild(args: readonly string[], cwd?: string): Promise<ChildRun> {
  const child = startChild(args, cwd)
  const ended = await child.ended
  if (ended.code !== 0) {
    throw new Error(
      `node ${args.join(' ')}\nended with ${ended.code ?? ended.signal}:\n${child.output()}`,
    )
  }
  return ended
}

export interface RunningChild {
  readonly process: ChildProcess
  readonly ended: Promise<ChildRun & { code: number | null; signal: NodeJS.Signals | null }>
  /** What it printed last, both streams; for messages. */
  output(): string
}

export function startChild(args: readonly string[], cwd?: string): RunningChild {
  const startedMs = performance.now()
  const child = spawn(process.execPath, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => (stdout = (stdout + text).slice(-OUTPUT_CHARACTERS_MAX)))
  child.stderr.on('data', (text) => (stderr = (stderr + text).slice(-OUTPUT_CHARACTERS_MAX)))
  let peakRssAnonBytes: number | undefined
  const sampling = setInterval(() => {
    const bytes = rssAnonBytes(child.pid)
    if (bytes !== undefined) peakRssAnonBytes = Math.max(bytes, peakRssAnonBytes ?? 0)
  }, SAMPLE_INTERVAL_MS)
  let seconds = 0
  child.once('exit', () => {
    seconds = (performance.now() - startedMs) / 1_000
    clearInterval(sampling)
  })
  const ended = new Promise<Awaited<RunningChild['ended']>>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) =>
      resolve({ code, signal, seconds, peakRssAnonBytes, stdout }),
    )
  })
  return { process: child, ended, output: () => `${stdout}${stderr}` }
}

function rssAnonBytes(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const match = /^RssAnon:\s+(\d+) kB$/m.exec(status)
    return match === null ? undefined : Number(match[1]) * 1_024
  } catch {
    // The process is gone, or this is not Linux.
    return undefined
  }
}
