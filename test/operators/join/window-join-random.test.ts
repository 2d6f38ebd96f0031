/**
 * Window joins and coGroups on random streams, with crashes, against windows kept in one list.
 * MILLRACE_SEED=… runs a failing case again.
 */
import { describe, expect, it } from 'vitest'
import { job, type JobDefinition, session, sliding, tumbling, type Window } from 'millrace'
import { testJob } from 'millrace/testing'
import {
  byKey,
  type Chance,
  chanceOf,
  closeQuietly,
  endInputs,
  type Entry,
  isItem,
  type Item,
  runScript,
  seeds,
  settingsOf,
  sidesOf,
} from './join-script.ts'

const KEYS = ['', 'a', '__proto__', 'é']
const KINDS = ['inner', 'left', 'right', 'outer'] as const

interface Setting {
  readonly windows: 'tumbling' | 'sliding' | 'session'
  readonly sizeMs: number
  readonly slideMs: number
  readonly kind: (typeof KINDS)[number]
}

const settingOf = ({ below, of }: Chance): Setting => ({
  windows: of(['tumbling', 'sliding', 'session'] as const),
  sizeMs: 12 + 6 * below(3),
  slideMs: of([3, 6]),
  kind: of(KINDS),
})

const specOf = ({ windows, sizeMs, slideMs }: Setting) => {
  switch (windows) {
    case 'tumbling':
      return tumbling(sizeMs)
    case 'sliding':
      return sliding(sizeMs, { every: slideMs })
    case 'session':
      return session(sizeMs)
  }
}

const jobOf = (setting: Setting): JobDefinition =>
  job('joining', ({ source, sink }) => {
    const { left, right } = sidesOf(source, 'one')
    left
      .windowJoin(
        'join',
        right,
        specOf(setting),
        { kind: setting.kind },
        (l, r, { key, window }) => ({
          key,
          window: [window.start, window.end],
          left: l?.n ?? null,
          right: r?.n ?? null,
        }),
      )
      .to(sink('pairs'))
    const grouped = left.coGroup(
      'group',
      right,
      specOf(setting),
      (lefts, rights, { key, window }) => [
        {
          key,
          window: [window.start, window.end],
          lefts: lefts.map(({ n }) => n),
          rights: rights.map(({ n }) => n),
        },
      ],
    )
    grouped.to(sink('groups'))
    grouped.late.map(({ side, value: { n } }) => ({ side, n })).to(sink('late'))
  })

interface Open {
  readonly key: string
  start: number
  end: number
  items: Item[]
}

function oracle(entries: readonly Entry[], setting: Setting) {
  const { windows, sizeMs, slideMs } = setting
  let open: Open[] = []
  const closed: Open[] = []
  const late: { side: string; n: number }[] = []
  let watermark = -Infinity
  const windowsOf = (time: number): Window[] => {
    if (windows === 'session') return [{ start: time, end: time + sizeMs }]
    const every = windows === 'tumbling' ? sizeMs : slideMs
    const found: Window[] = []
    for (let start = -100 * every; start <= time; start += every) {
      if (time < start + sizeMs) found.push({ start, end: start + sizeMs })
    }
    return found
  }
  const take = (item: Item): void => {
    let isTaken = false
    for (const { start, end } of windowsOf(item.timestamp)) {
      const touched = open.filter(({ key, ...other }) => {
        if (key !== item.key) return false
        if (windows === 'session') return other.start <= end && start <= other.end
        return other.start === start
      })
      const merged: Open = {
        key: item.key,
        start: Math.min(start, ...touched.map((other) => other.start)),
        end: Math.max(end, ...touched.map((other) => other.end)),
        items: [...touched.flatMap(({ items }) => items), item],
      }
      if (merged.end - 1 <= watermark) continue
      open = [...open.filter((other) => !touched.includes(other)), merged]
      isTaken = true
    }
    if (!isTaken) late.push({ side: item.side, n: item.n })
  }
  for (const entry of entries) {
    if (isItem(entry)) take(entry)
    else {
      watermark = Math.max(watermark, entry.watermark)
      const due = open.filter(({ end }) => end - 1 <= watermark)
      open = open.filter((window) => !due.includes(window))
      closed.push(...due.toSorted((a, b) => a.end - b.end))
    }
  }
  return { closed, late }
}

const numbersOf = (items: readonly Item[], side: string): number[] =>
  items.filter((item) => item.side === side).map(({ n }) => n)

const groupOf = ({ key, start, end, items }: Open) => ({
  key,
  window: [start, end],
  lefts: numbersOf(items, 'left'),
  rights: numbersOf(items, 'right'),
})

function pairsOf({ key, start, end, items }: Open, kind: Setting['kind']) {
  const [lefts, rights] = [numbersOf(items, 'left'), numbersOf(items, 'right')]
  const ls = lefts.length === 0 && (kind === 'right' || kind === 'outer') ? [null] : lefts
  const rs = rights.length === 0 && (kind === 'left' || kind === 'outer') ? [null] : rights
  return ls.flatMap((left) => rs.map((right) => ({ key, window: [start, end], left, right })))
}

/** The order within a window that was merged from several is that of the merges. */
const sorted = <Row extends object>(rows: readonly Row[]): Row[] =>
  rows
    .map((row) =>
      JSON.stringify(row, (_, of: unknown) => (isNumbers(of) ? of.toSorted((a, b) => a - b) : of)),
    )
    .toSorted()
    .map((row) => JSON.parse(row) as Row)
const isNumbers = (of: unknown): of is number[] =>
  Array.isArray(of) && of.every((n) => typeof n === 'number')

describe('a join of windows on random streams', () => {
  it('gives what one list of windows gives, over crashes', async () => {
    for (const seed of seeds(120)) {
      const chance = chanceOf(seed)
      const setting = settingOf(chance)
      const t = await testJob(jobOf(setting), settingsOf(chance))
      const script = { steps: 24, keys: KEYS, spreadMs: 30, sources: 'one' } as const
      const entries = await runScript(t, chance, script)
      endInputs(t, 'one')
      const named = `seed ${seed} ${JSON.stringify(setting)}`
      const { closed, late } = oracle([...entries, { watermark: Infinity }], setting)
      const groups = await t.output<ReturnType<typeof groupOf>>('groups')
      const pairs = await t.output<ReturnType<typeof pairsOf>[number]>('pairs')
      const expectedPairs = closed.flatMap((window) => pairsOf(window, setting.kind))
      if (setting.windows === 'session') {
        expect(sorted(groups), named).toEqual(sorted(closed.map(groupOf)))
        expect(sorted(pairs), named).toEqual(sorted(expectedPairs))
      } else {
        expect(byKey(groups), named).toEqual(byKey(closed.map(groupOf)))
        expect(byKey(pairs), named).toEqual(byKey(expectedPairs))
      }
      expect(await t.output('late'), named).toEqual(late)
      await closeQuietly(t)
    }
  }, 120_000)
})
