/**
 * A disk that is full: the job says so, waits, and goes on when there is room, with nothing missing and
 * nothing twice. On a small file system of its own where one can be mounted (Linux, as root); elsewhere
 * that is said, and a limit on the size of files stands in for it.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/jetstream.ts'
import { JobFolder, type JobProcess, records, results, textOf } from './job-process.ts'

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

/** Takes all room but about so many bytes; the returned function gives it back. */
function fill(leftBytes: number): () => void {
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(`${disk}/ballast`, Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)))
  return () => rmSync(`${disk}/ballast`)
}

/** Takes what is left, page by page: the job may write meanwhile. */
function fillUp(): void {
  try {
    for (;;) appendFileSync(`${disk}/ballast`, Buffer.alloc(4_096))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  }
}

const STATE = ['--state', 'disk/state']
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
    const run = await startedThenFull()
    await until(() => run.output().includes('could not write a commit'), 'the message')
    expect(run.output()).toMatch(/starts again from its last durable/)
    expect(run.output()).toMatch(/check the disk's space/)
    expect(run.child.exitCode).toBe(null)
    run.makeRoom()
    await until(() => folder.read('out.jsonl') === textOf(results(COUNT)), 'the results')
    run.child.kill('SIGTERM')
    expect(await run.ended, run.output()).toBe(0)
  })

  test('that stays full ends the job with a code of its own, and nothing is lost', async () => {
    if (!isMounted) return
    const run = await startedThenFull(['--set', 'restart.attempts=2'])
    await until(() => run.child.exitCode !== null, `the end of\n${run.output()}`)
    expect(await run.ended, run.output()).toBe(6)
    expect(run.output()).toMatch(/error: .*could not write a commit.*check the disk's space/)
    // Nor can it be started while there is no room at all.
    fillUp()
    const refused = await folder.run(['--mode', 'batch', ...STATE])
    expect(refused.code).toBe(3)
    expect(refused.output).toMatch(/cannot be written: ENOSPC.* Make room on the disk/)
    run.makeRoom()
    expect((await folder.run(['--mode', 'batch', ...STATE])).code).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(COUNT)))
  })

  /** A live job whose state's disk is full when more input comes. */
  async function startedThenFull(
    flags: readonly string[] = [],
  ): Promise<JobProcess & { readonly makeRoom: () => void }> {
    folder.write('in.jsonl', textOf(records(1, 100)))
    const follow = ['--set', 'sources.seen.file.follow=true']
    const run = folder.start([...SMALL_EPOCHS, ...STATE, ...follow, ...flags])
    await until(() => folder.read('out.jsonl') === textOf(results(100)), 'the first results')
    const makeRoom = fill(2 * 1024 * 1024)
    fillUp()
    folder.write('in.jsonl', textOf(records(1, COUNT)))
    return { ...run, makeRoom }
  }
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
