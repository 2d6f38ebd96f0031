/** Many processes want one state folder, which a killed one has left locked. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../support/jetstream.ts'
import { JobFolder, records, results, textOf } from './job-process.ts'

const PATIENCE_MS = 60_000
const FOLLOW = ['--mode', 'live', '--set', 'sources.seen.file.follow=true']

let folder: JobFolder
beforeEach(() => {
  folder = new JobFolder()
  folder.write('in.jsonl', textOf(records(1, 100)))
})
afterEach(() => folder.remove())

test(
  'a state folder is taken by exactly one of twenty that want the one of a killed process',
  { timeout: PATIENCE_MS },
  async () => {
    const dead = folder.start(FOLLOW)
    await until(() => folder.read('out.jsonl') === textOf(results(100)), 'the first results')
    dead.child.kill('SIGKILL')
    await dead.ended
    const all = Array.from({ length: 20 }, () => folder.start(FOLLOW))
    const ends: (number | NodeJS.Signals)[] = []
    for (const { ended } of all) void ended.then((end) => ends.push(end))
    await until(() => ends.length >= 19, 'the end of nineteen', PATIENCE_MS)
    expect(ends).toEqual(Array.from({ length: 19 }, () => 3))
    folder.write('in.jsonl', textOf(records(1, 110)))
    await until(() => folder.read('out.jsonl') === textOf(results(110)), 'the results of the one')
    const [winner] = all.filter(({ child }) => child.exitCode === null)
    winner?.child.kill('SIGTERM')
    expect(await winner?.ended).toBe(0)
    expect(folder.read('out.jsonl')).toBe(textOf(results(110)))
  },
)
