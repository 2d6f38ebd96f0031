/** The edge of the command line: everything a command may ask of the process around it. */
import { type Clock, systemClock } from '../time/clock.ts'

/** A line at the bottom of a terminal that is written again and again. */
export interface LiveLine {
  /** Puts this in the place of what the line said before. */
  update(text: string): void
  /** Writes above the line. */
  above(text: string): void
  /** Takes the line away; what is written next stands in its place. */
  clear(): void
}

export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>
  /** What relative paths in flags are relative to. */
  readonly workingDir: string
  readonly clock: Clock
  /** Results: what a pipe behind the command gets. */
  out(text: string): void
  /** Messages, progress and logs. */
  err(text: string): void
  /** undefined where messages do not go to a terminal. */
  readonly liveLine: LiveLine | undefined
  /** Whether results go to a terminal. */
  readonly isOutTerminal: boolean
  /** Calls back at each SIGINT and SIGTERM until the returned function is called. */
  onSignal(listener: () => void): () => void
  /** Tells the process that started this one, if it asked to know. */
  tell(message: unknown): void
}

/** The io of a real process. */
export async function processIo(): Promise<CliIo> {
  return {
    // The one place that reads it; everything else is handed what it needs.
    // oxlint-disable-next-line node/no-process-env
    env: process.env,
    workingDir: process.cwd(),
    clock: systemClock,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    liveLine: process.stderr.isTTY ? await terminalLine() : undefined,
    isOutTerminal: process.stdout.isTTY,
    onSignal,
    tell: (message) => {
      if (process.connected) process.send?.(message)
    },
  }
}

/** Resolves when the parent process has been handed everything it was told: an exit would cut it off. */
export async function messagesSent(): Promise<void> {
  if (!process.connected) return
  await new Promise<void>((resolve) => {
    process.send?.({ sent: true }, () => resolve())
  })
}

/** A parent that is gone counts as a signal: nobody would stop this process otherwise. */
function onSignal(listener: () => void): () => void {
  process.on('SIGINT', listener)
  process.on('SIGTERM', listener)
  process.on('disconnect', listener)
  return () => {
    process.off('SIGINT', listener)
    process.off('SIGTERM', listener)
    process.off('disconnect', listener)
  }
}

async function terminalLine(): Promise<LiveLine> {
  // Loaded only where there is a terminal: a start is to be quick.
  const { createLogUpdate } = await import('log-update')
  const line = createLogUpdate(process.stderr)
  return {
    update: (text) => line(text),
    above: (text) => line.persist(text.replace(/\n$/, '')),
    clear: () => {
      line.clear()
      line.done()
    },
  }
}
