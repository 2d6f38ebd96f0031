/**
 * A disk that is full: the job says so, waits, and goes on when there is room, with nothing missing and
 * nothing twice. On a small file system of its own where one can be mounted (Linux, as root); elsewhere
 * that is said, and a limit on the size of files stands in for it.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/jetstream.ts'
import { JobFolder, records, results, textOf } from './job-process.ts'

const PATIENCE_MS = 60_000
const COUNT = 20_000
const DISK_BYTES = 24 * 1024 * 1024

let folder: JobFolder
let disk: string
let isMounted: boolean

beforeEach(() => {
  folder = new JobFolder()
  folder.write('in.jsonl', textOf(records(1, COUNT)))
  disk = folder.path('disk')
  mkdirSync(disk)
  isMounted = mount()
})
afterEach(() => {
  // Its processes have ended, or are ended with the folder: lazily, whatever they still hold.
  if (isMounted) execFileSync('umount', ['--lazy', disk])
  folder.remove()
})

function mount(): boolean {
  try {
    const options = ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]
    execFileSync('mount', options, { stdio: 'pipe' })
    return true
  } catch (error) {
    console.warn(
      `NO SMALL FILE SYSTEM COULD BE MOUNTED (it takes Linux and root): a full disk is not tested here, a limit on the size of files stands in for it. ${String(error)}`,
    )
    return false
  }
}

/** Takes all room but so many bytes; the returned function gives it back. */
function fill(leftBytes: number): () => void {
  const { bavail, bsize } = statfsSync(disk)
  const ballast = `${disk}/ballast`
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)))
  return () => rmSync(ballast)
}

const SMALL_EPOCHS = ['--set', 'commit.records=1000', '--set', 'restart.delay=50ms']

describe('a full disk', { timeout: PATIENCE_MS }, () => {
  test('under the output makes the job wait, and it goes on when there is room', async () => {
    const out = ['--set', 'sinks.out.file.path=disk/out.jsonl']
    if (!isMounted) return await withoutRoom(out, 'disk/out.jsonl')
    const makeRoom = fill(100_000)
    const run = folder.start(['--mode', 'batch', ...SMALL_EPOCHS, ...out])
    await until(() => run.output().includes('Make room on the disk'), 'the message')
    expect(run.output()).toMatch(/sink 'out' is away, trying again in \d+ ms: .*ENOSPC/)
    expect(run.child.exitCode).toBe(null)
    makeRoom()
    expect(await run.ended, run.output()).toBe(0)
    expect(folder.read('disk/out.jsonl')).toBe(textOf(results(COUNT)))
  })

  test('under the state makes the job start again from its last commit when there is room', async () => {
    if (!isMounted) return
    const state = ['--state', 'disk/state']
    // The store is made while there is room.
    const first = folder.start(['--mode', 'batch', ...SMALL_EPOCHS, ...state])
    await until(() => folder.read('out.jsonl') !== '' || first.child.exitCode !== null, 'output')
    first.child.kill('SIGKILL')
    await first.ended
    const makeRoom = fill(0)
    const run = folder.start(['--mode', 'batch', ...SMALL_EPOCHS, ...state])
    await until(() => run.output().includes('could not write a commit'), 'the message')
    expect(run.output()).toMatch(/check the disk's space/)
    expect(run.child.exitCode).toBe(null)
    makeRoom()
    expect(await run.ended, run.output()).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(COUNT)))
  })

  test('that stays full ends the job with a code of its own, and nothing is lost', async () => {
    if (!isMounted) return
    const state = ['--state', 'disk/state']
    const limits = ['--set', 'restart.attempts=2']
    const first = folder.start(['--mode', 'batch', ...SMALL_EPOCHS, ...state])
    await until(() => folder.read('out.jsonl') !== '' || first.child.exitCode !== null, 'output')
    first.child.kill('SIGKILL')
    await first.ended
    const makeRoom = fill(0)
    const run = await folder.run(['--mode', 'batch', ...SMALL_EPOCHS, ...state, ...limits])
    expect(run.code, run.output).toBe(6)
    expect(run.output).toMatch(/error: .*could not write a commit.*check the disk's space/)
    makeRoom()
    expect((await folder.run(['--mode', 'batch', ...state])).code).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(COUNT)))
  })
})

/** A file that may not grow: the job stops and says so; the next run goes on. */
async function withoutRoom(out: readonly string[], file: string): Promise<void> {
  const flags = ['--mode', 'batch', '--set', 'commit.records=1000', ...out]
  // In blocks of 512 bytes. The state's file is larger from the beginning, so it lies elsewhere.
  const run = await folder.run(flags, { under: 'ulimit -f 400' })
  expect(run.code, run.output).not.toBe(0)
  expect(run.output).toMatch(/cannot be written|could not write/)
  expect((await folder.run(flags)).code).toBe(0)
  expect(folder.read(file)).toBe(textOf(results(COUNT)))
}
