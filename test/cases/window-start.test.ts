/** In which windows a time is, against known answers. */
import { describe, expect, it } from 'vitest'
import { testJob } from 'millrace/testing'
import { startCases, type WindowCase } from './case-file.ts'
import { made, windowJob } from './case-job.ts'

interface Result {
  readonly key: string
  readonly window: { readonly start: number; readonly end: number }
}

const cases = startCases()

/** How a job with these windows is asked where records are: a key a record. */
const jobOf = (window: WindowCase['window']) =>
  windowJob({ id: '', source: '', window, of: 'count', steps: [] }, 'aggregate')

describe('the windows of a time', () => {
  const known = cases.filter((startCase) => 'windows' in startCase)

  it.each(known)('are known: $id', async ({ window, windows }) => {
    for (const between of ['nothing', 'crash', 'kill'] as const) {
      const t = await testJob(jobOf(window))
      for (const time of Object.keys(windows)) {
        t.push('records', { key: time, timestamp: Number(time), n: 1 })
        if (between !== 'nothing') t[between]()
      }
      t.endInput('records')
      const found: Record<string, string[]> = {}
      for (const time of Object.keys(windows)) found[time] = []
      const results = await t.output<Result>('results')
      const byStart = results.toSorted((a, b) => a.window.start - b.window.start)
      for (const { key, window: at } of byStart) found[key]?.push(`[${at.start},${at.end})`)
      expect(found).toEqual(windows)
      expect(await t.output('late')).toEqual([])
      await t.close()
    }
  })
})

describe('windows that are none', () => {
  const refused = cases.flatMap((startCase) =>
    'rejects' in startCase
      ? startCase.rejects.map((call) => [startCase.id, JSON.stringify(call), call] as const)
      : [],
  )

  it.each(refused)('are refused: %s, %s', (_id, _text, call) => {
    expect(() => made(call)).toThrow(RangeError)
  })
})
