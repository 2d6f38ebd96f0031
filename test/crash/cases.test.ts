/**
 * A few of the cases with known answers, in processes that are killed: records come while the job dies,
 * and what is in the streams at the end is what the case says, each result once.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'
import { type WindowCase, windowCases } from '../cases/case-file.ts'
import { allItems, lateText, resultText, type WindowCaseResult } from '../cases/window-case.ts'
import type { Item } from '../cases/case-job.ts'
import { take, textOf } from '../support/jetstream.ts'
import { newSeed } from '../support/random.ts'
import { type Death, runThroughCrashes } from './crashes.ts'
import { differences } from './expected.ts'

const PATIENCE_MS = 120_000
/** Moments that come in a life that has little to do, and any other time. */
const DEATHS: readonly Death[] = ['outside', 'written', 'flushed', 'opening', 'outside']
/** Where the times of a case are put: times before 1990 are refused as mistakes, and these are not. */
const BASE = 1_700_000_000_000

const SAMPLE = [
  'final results of tumbling windows',
  'final results of sessions',
  'hopping windows whose grace is over',
]
const sample = windowCases('kafka.json').filter(({ id }) => SAMPLE.includes(id))

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-crash-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function linesOf<Line>(log: EmbeddedLog, stream: string): Promise<Line[]> {
  const { last } = await log.inspect(stream, 0).catch(() => ({ last: 0 }))
  if (last === 0) return []
  const reader = await log.read(stream, 0, 0)
  const messages = await take(reader, { through: last })
  await reader.close()
  return messages.map((message) => JSON.parse(textOf(message)) as Line)
}

/** The job of a case between embedded streams. */
const fieldsOf = (path: string, { outOfOrder = 0 }: WindowCase): string[] => [
  `sources.records=${JSON.stringify({
    embedded: { stream: 'records', log: path },
    eventTime: { field: 'timestamp', unit: 'ms', order: 'ordered', outOfOrder: `${outOfOrder}ms` },
  })}`,
  `sinks.results=${JSON.stringify({ embedded: { stream: 'results', log: path } })}`,
  `sinks.late=${JSON.stringify({ embedded: { stream: 'late', log: path } })}`,
]

/** A result with its times where the case has them. */
function asInCase({ window, time, ...result }: WindowCaseResult): WindowCaseResult {
  const [start, end] = [Number(window.start) - BASE, Number(window.end) - BASE]
  return { ...result, window: { start, end }, time: time - BASE }
}

describe('a case with known answers', () => {
  test.each(sample)(
    'is answered by processes that are killed: $id',
    async (windowCase) => {
      const seed = newSeed()
      console.log(`seed ${seed} (MILLRACE_SEED=${seed} repeats it)`)
      const path = join(folder, 'log')
      const log = await EmbeddedLog.open(path)
      await log.createStream('records')
      const messages = allItems(windowCase).map((item) =>
        Buffer.from(JSON.stringify({ ...item, timestamp: item.timestamp + BASE })),
      )
      const gives = windowCase.steps.flatMap((step) => step.gives ?? [])
      const late = windowCase.steps.flatMap((step) => step.late ?? [])
      const kills = DEATHS.length
      const share = Math.ceil(messages.length / kills)

      const outcome = await runThroughCrashes({
        seed,
        kills,
        deaths: DEATHS,
        epochs: 'small',
        life: {
          job: 'case',
          windowCase,
          mode: 'live',
          stateDir: join(folder, 'state'),
          set: fieldsOf(path, windowCase),
        },
        beforeLife: async (lives) => {
          const next = messages.slice(lives * share, (lives + 1) * share)
          if (next.length > 0) await log.append('records', 0, next)
        },
        isDone: async () =>
          (await linesOf(log, 'results')).length >= gives.length &&
          (await linesOf(log, 'late')).length >= late.length,
      })

      const results = await linesOf<WindowCaseResult>(log, 'results')
      const lateItems = await linesOf<Item>(log, 'late')
      await log.close()
      expect(
        differences(
          results.map((result) => resultText(asInCase(result), false)),
          gives,
        ),
      ).toEqual([])
      expect(
        lateItems.map((item) => lateText({ ...item, timestamp: item.timestamp - BASE })),
      ).toEqual(late)
      expect(outcome.kills).toBe(kills)
      expect(outcome.end).toMatchObject({ records: messages.length, late: late.length })
    },
    PATIENCE_MS,
  )
})
