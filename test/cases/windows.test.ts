/**
 * Windows, triggers, evictors and lateness against known answers, three ways: straight, in each form
 * a job can take; killed and opened again between any two steps; and as a batch.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { testJob, type TestJob } from 'millrace/testing'
import { openCases, type WindowCase, windowCases } from './case-file.ts'
import { type Form, formsOf, windowJob, WINDOWS } from './case-job.ts'
import {
  batchOutcome,
  fewOf,
  finals,
  playSteps,
  playThroughDeath,
  saysPanes,
  sorted,
} from './play.ts'
import { allItems, readWindows, smallSteps } from './window-case.ts'

const FILES = [
  'window-operator.json',
  'sessions.json',
  'triggers.json',
  'evictors.json',
  'lateness.json',
  'beam-panes.json',
  'kafka.json',
]

const jobs: TestJob[] = []
afterEach(async () => {
  for (const t of jobs.splice(0)) await t.close()
})

async function start(windowCase: WindowCase, form: Form, isLive = true): Promise<TestJob> {
  const { outOfOrder } = windowCase
  const eventTime = isLive && outOfOrder !== undefined ? { records: { outOfOrder } } : {}
  const t = await testJob(windowJob(windowCase, form), { eventTime })
  jobs.push(t)
  return t
}

/** Nothing of any key is left when the case says so. */
async function expectLeavings(t: TestJob, windowCase: WindowCase): Promise<void> {
  if (windowCase.leaves !== 'nothing') return
  for (const key of new Set(allItems(windowCase).map((item) => item.key))) {
    expect(await t.state(WINDOWS, key), `state of ${key}`).toBeUndefined()
  }
}

describe.each(FILES)('%s', (file) => {
  const cases = windowCases(file)

  describe.each(cases)('$id', (windowCase) => {
    const steps = smallSteps(windowCase)
    const [mainForm = 'aggregate'] = formsOf(windowCase)
    // What a crash takes back is read again at the clock's time then, which is another case.
    const hasClock = windowCase.steps.some((step) => 'clock' in step)

    it.each(formsOf(windowCase))('is answered by %s', async (form) => {
      const t = await start(windowCase, form)
      await playSteps(t, steps, readWindows)
      await expectLeavings(t, windowCase)
    })

    it.each(['crash', 'kill', 'reopen'] as const)(
      'is answered with a %s behind each step',
      async (what) => {
        const t = await start(windowCase, mainForm)
        await playSteps(t, steps, readWindows, async () => {
          if (hasClock) await t.settled()
          t[what]()
        })
        await expectLeavings(t, windowCase)
      },
    )

    it('is answered with one death, whatever was durable by then', async () => {
      for (const behind of fewOf(steps)) {
        const t = await start(windowCase, mainForm)
        const kind = behind % 2 === 0 ? 'crash' : 'kill'
        await playThroughDeath(t, steps, readWindows, { behind, kind, isDurable: hasClock })
      }
    })

    const { batch } = windowCase
    if (batch !== undefined && 'none' in batch) return
    it.each(formsOf(windowCase))('is answered in batch by %s', async (form) => {
      const t = await start(windowCase, form, false)
      t.push('records', ...allItems(windowCase))
      t.endInput('records')
      const expected = batchOutcome(batch)
      const { gives, late } = await readWindows(t, saysPanes(expected.gives))
      expect(late).toEqual(expected.late)
      if (batch !== undefined) expect(sorted(gives)).toEqual(sorted(expected.gives))
      else {
        const live = windowCase.steps.flatMap((step) => step.gives ?? [])
        expect(finals(gives)).toEqual(finals(live.map(withoutPane)))
      }
      expect(await t.finished()).toBe(true)
    })
  })
})

it('leaves no known answer out without a reason', () => {
  for (const { id, notAsked } of openCases()) expect(notAsked.length, id).toBeGreaterThan(30)
})

const withoutPane = (word: string): string => word.split(' ').slice(0, 3).join(' ')
