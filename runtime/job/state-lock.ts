/**
 * One process writes a state folder. The lock is a file that names its holder; the lock of a process
 * that is no more is taken over. A pid may have been given to another process meanwhile, so its start
 * time is part of the name.
 */
import { execFileSync } from 'node:child_process'
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { reasonOf, StateError } from '../errors.ts'
import { type Clock, sleep } from '../time/clock.ts'

interface Holder {
  readonly pid: number
  readonly startedAt: string
  readonly token: string
}

export const LOCK_FILE = 'lock'

/**
 * Takes the folder for this process.
 * @returns the function that gives it back.
 * @throws StateError when a living process holds it, or the folder cannot be made.
 */
export function lockState(folder: string): () => void {
  const path = join(folder, LOCK_FILE)
  const own: Holder = {
    pid: process.pid,
    startedAt: startOf(process.pid) ?? '',
    token: randomUUID(),
  }
  const draft = `${path}.${own.token}`
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    throw cannotWrite(folder, error)
  }
  try {
    writeFileSync(draft, JSON.stringify(own))
  } catch (error) {
    rmSync(draft, { force: true })
    throw cannotWrite(folder, error)
  }
  try {
    claim(folder, path, draft)
  } finally {
    rmSync(draft, { force: true })
  }
  return () => {
    if (readHolder(path)?.token === own.token) unlinkSync(path)
  }
}

/** How long a process that is left over may take to end. */
const LEFT_OVER_MS_MAX = 10_000
const LOOK_AGAIN_MS = 20

/**
 * Waits until no other process holds a folder, as long as one that is left over may take to end.
 * @throws StateError when it is held for longer.
 */
export async function untilFree(folder: string, clock: Clock): Promise<void> {
  const giveUpAt = clock.monotonic() + LEFT_OVER_MS_MAX
  for (;;) {
    const holder = holderOf(folder)
    if (holder === undefined || holder === process.pid) return
    if (clock.monotonic() >= giveUpAt) throw inUse(folder, holder)
    await sleep(clock, LOOK_AGAIN_MS)
  }
}

const inUse = (folder: string, pid: number): StateError =>
  new StateError(
    `the state folder ${folder} is in use by process ${pid}. Stop that process, or name another folder with --state.`,
  )

function cannotWrite(folder: string, error: unknown): StateError {
  const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC'
  const whatNow = isFull ? 'Make room on the disk, or name' : 'Name'
  return new StateError(
    `the state folder ${folder} cannot be written: ${reasonOf(error)}. ${whatNow} another folder with --state.`,
    { cause: error },
  )
}

/** The living process that holds a state folder, if one does. */
export function holderOf(folder: string): number | undefined {
  const holder = readHolder(join(folder, LOCK_FILE))
  return holder !== undefined && isAlive(holder) ? holder.pid : undefined
}

/** A link is made whole or not at all, so the lock's file is never seen half-written. */
function claim(folder: string, path: string, draft: string): void {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      linkSync(draft, path)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = readHolder(path)
    if (holder === undefined) continue
    if (isAlive(holder)) {
      throw inUse(folder, holder.pid)
    }
    setAside(path, holder)
  }
  throw new StateError(
    `the lock of the state folder ${folder} changes hands all the time; try again`,
  )
}

/** Moves a dead holder's lock away; of several that try, only one moves that very lock. */
function setAside(path: string, dead: Holder): void {
  const aside = `${path}.${dead.token}.stale`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const moved = readHolder(aside)
  if (moved !== undefined && moved.token !== dead.token) {
    // Another process had taken the lock in between: it is given back.
    try {
      linkSync(aside, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  rmSync(aside, { force: true })
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StateError(
      `${path} is not a lock of millrace: ${reasonOf(error)}. Remove it if no job is running.`,
    )
  }
}

function isAlive({ pid, startedAt }: Holder): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = startOf(pid)
  return now === undefined || startedAt === '' || now === startedAt
}

/** When a process was started, in the words of its system; undefined when that cannot be told. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The name in parentheses may hold spaces; the start time is the 20th field behind it.
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}
