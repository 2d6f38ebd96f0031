/** What a run does about files and folders that are not as they should be: it says so, and changes nothing. */
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../support/jetstream.ts'
import { JobFolder, jobText, records, results, textOf } from './job-process.ts'

const PATIENCE_MS = 60_000
const NOBODY = 65_534
const FOLLOW = ['--mode', 'live', '--set', 'sources.seen.file.follow=true']

let folder: JobFolder
beforeEach(() => {
  folder = new JobFolder()
  folder.write('in.jsonl', textOf(records(1, 100)))
})
afterEach(() => folder.remove())

describe('a state folder', { timeout: PATIENCE_MS }, () => {
  test('that is in use is refused, and its user goes on', async () => {
    const first = folder.start(FOLLOW)
    await until(() => folder.read('out.jsonl') === textOf(results(100)), 'the first results')
    const second = await folder.run(FOLLOW)
    expect(second.code).toBe(3)
    expect(second.output).toContain(
      `in use by process ${first.child.pid}. Stop that process, or name another folder with --state.`,
    )
    folder.write('in.jsonl', textOf(records(1, 120)))
    await until(() => folder.read('out.jsonl') === textOf(results(120)), 'more results')
    first.child.kill('SIGTERM')
    expect(await first.ended, first.output()).toBe(0)
  })

  test('of another job or shape is refused, and nothing is changed', async () => {
    expect((await folder.run(['--mode', 'batch'])).code).toBe(0)
    const now = (): string[] => [
      folder.dataHash(),
      folder.read('out.jsonl'),
      folder.read('state/run.json'),
    ]
    const before = now()
    const refusals = [
      [
        { name: 'other' },
        /is of the job 'last-seen', not of 'other'\. Name another folder with --state\./,
      ],
      [
        { operator: 'renamed' },
        /operator 'seen' is in the state and not in the job\. Nothing was changed\. You can drop what is no longer wanted with --drop-state NAME, or run the job as it was, or start afresh with another --state\./,
      ],
      [
        { version: 2 },
        /operator 'seen' has version 1 in the state and 2 in the job, and no upcast from version 1\. Nothing was changed\. You can give an actor the next version/,
      ],
      [
        { cell: 'times' },
        /operator 'seen' keeps \[count:value.* in the state and \[times:value.* in the job\. Nothing was changed\./,
      ],
    ] as const
    for (const [changed, message] of refusals) {
      folder.write('job.js', jobText(changed))
      const refused = await folder.run(['--mode', 'batch'])
      expect(refused.code, refused.output).toBe(3)
      expect(refused.output).toMatch(message)
      expect(refused.output).not.toContain('    at ')
      expect(now()).toEqual(before)
    }
    // As it was it still runs.
    folder.write('job.js', jobText())
    const again = await folder.run(['--mode', 'batch'])
    expect(again.code, again.output).toBe(0)
  })

  test('of a batch that has finished says so, and makes nothing again', async () => {
    expect((await folder.run(['--mode', 'batch'])).code).toBe(0)
    folder.write('in.jsonl', textOf(records(1, 200)))
    const again = await folder.run(['--mode', 'batch'])
    expect(again.code).toBe(0)
    expect(again.output).toContain('nothing to do')
    expect(folder.read('out.jsonl')).toBe(textOf(results(100)))
  })

  test('that cannot be written is named', async () => {
    folder.write('state', 'a file, where a folder should be')
    const refused = await folder.run()
    expect(refused.code).toBe(3)
    expect(refused.output).toMatch(/the state folder .*state cannot be written/)
  })
})

describe('an output file', { timeout: PATIENCE_MS }, () => {
  test('that is not empty is not touched by a fresh state, but with --overwrite', async () => {
    folder.write('out.jsonl', 'precious\n')
    const refused = await folder.run(['--mode', 'batch'])
    expect(refused.code, refused.output).toBe(2)
    expect(refused.output).toMatch(/out\.jsonl is not empty.*--overwrite/s)
    expect(folder.read('out.jsonl')).toBe('precious\n')
    // The refusal is not forgotten with the state that it left.
    expect((await folder.run(['--mode', 'batch'])).code).toBe(2)
    const asked = await folder.run(['--mode', 'batch', '--overwrite'])
    expect(asked.code, asked.output).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(100)))
  })

  test('of dead letters that is not empty is not touched either', async () => {
    folder.write('letters.jsonl', 'precious\n')
    const flags = ['--mode', 'batch', '--set', 'deadLetter.file.path=letters.jsonl']
    const refused = await folder.run(flags)
    expect(refused.code, refused.output).toBe(2)
    expect(refused.output).toMatch(/letters\.jsonl is not empty/)
    expect(folder.read('letters.jsonl')).toBe('precious\n')
  })

  test('that lost confirmed results is refused', async () => {
    expect((await folder.run([...FOLLOW, '--mode', 'batch'])).code).toBe(0)
    const text = folder.read('out.jsonl')
    folder.write('out.jsonl', text.slice(0, 50))
    const refused = await folder.run(['--mode', 'batch'])
    expect(refused.code).toBe(4)
    expect(refused.output).toMatch(new RegExp(`has 50 bytes, and ${text.length} were written`))
    folder.write('out.jsonl', text)
    expect((await folder.run(['--mode', 'batch'])).code).toBe(0)
  })
})

describe('an input file', { timeout: PATIENCE_MS }, () => {
  test('that is missing is named, and the job runs once it is there', async () => {
    rmSync(folder.path('in.jsonl'))
    const refused = await folder.run(['--mode', 'batch'])
    expect(refused.code, refused.output).toBe(2)
    expect(refused.output).toMatch(/in\.jsonl/)
    folder.write('in.jsonl', textOf(records(1, 10)))
    expect((await folder.run(['--mode', 'batch'])).code).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(10)))
  })

  test('that is a folder, or may not be read, is named', async () => {
    rmSync(folder.path('in.jsonl'))
    mkdirSync(folder.path('in.jsonl'))
    const isFolder = await folder.run(['--mode', 'batch'])
    expect(isFolder.code, isFolder.output).toBe(2)
    expect(isFolder.output).toMatch(/in\.jsonl is a folder/)
    rmSync(folder.path('in.jsonl'), { recursive: true })
    folder.write('in.jsonl', textOf(records(1, 10)))
    chmodSync(folder.path('in.jsonl'), 0)
    chmodSync(folder.folder, 0o777)
    rmSync(folder.path('state'), { recursive: true, force: true })
    // Root may read everything, so it steps down.
    const asUser = process.getuid?.() === 0 ? { uid: NOBODY } : {}
    const refused = await folder.run(['--mode', 'batch'], asUser)
    expect(refused.code, refused.output).toBe(2)
    expect(refused.output).toMatch(/in\.jsonl may not be read by this user/)
  })

  test('that was cut behind what was read is refused', async () => {
    const run = folder.start(FOLLOW)
    await until(() => folder.read('out.jsonl') === textOf(results(100)), 'the results')
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(0)
    folder.write('in.jsonl', textOf(records(1, 50)))
    const refused = await folder.run(FOLLOW)
    expect(refused.code, refused.output).toBe(4)
    folder.write('in.jsonl', textOf(records(1, 100)))
    expect((await folder.run(['--mode', 'batch'])).code).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(100)))
  })
})

test(
  'a signal finishes the epoch: what was read is in the output',
  { timeout: PATIENCE_MS },
  async () => {
    const run = folder.start([...FOLLOW, '--set', 'commit.every=1h'])
    await until(() => /100 records/.test(run.output()), 'the progress')
    run.child.kill('SIGTERM')
    expect(await run.ended, run.output()).toBe(0)
    expect(run.output()).toContain('stopped; run it again to go on')
    expect(folder.read('out.jsonl')).toBe(textOf(results(100)))
  },
)
