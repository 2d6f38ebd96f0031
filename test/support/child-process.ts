/** Runs a TypeScript file as a process of its own, for tests in which processes die. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface ChildScript {
  readonly process: ChildProcess
  /** Lines that it has printed so far. */
  readonly lines: readonly string[]
  /** Resolves when it has printed this many lines; rejects when it ends before. */
  printed(count: number): Promise<void>
  /** Resolves to its exit code, or the signal that ended it, once all its output was read. */
  readonly ended: Promise<number | NodeJS.Signals | null>
}

/** Starts a script beside the test, by tsx. */
export function startScript(url: URL, args: readonly string[]): ChildScript {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(url), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  const watchers = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    for (const watcher of watchers) watcher()
  })
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  return {
    process: child,
    lines,
    ended,
    printed: (count) =>
      new Promise((resolve, reject) => {
        const watcher = (): void => {
          if (lines.length >= count) resolve()
        }
        watchers.add(watcher)
        watcher()
        void ended.then((how) =>
          reject(new Error(`the script ended (${String(how)}) after ${lines.length} lines`)),
        )
      }),
  }
}
