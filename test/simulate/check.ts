/** What a run has left: compared with the model, with what was handed over, and with what it has to say about its faults. */
import { ConfigError, DataLossError, StateError } from '../../runtime/errors.ts'
import { headerOf } from '../../runtime/log/jetstream-wire.ts'
import { readState } from '../../runtime/state/state-entry.ts'
import { NO_COUNTERS, readEpochRow, readJobRow } from '../../runtime/task/meta.ts'
import { ensure } from './ensure.ts'
import type { Done } from './inject.ts'
import { deadLetterOf, type Expected, expectedOf, type Row } from './model.ts'
import { DEAD_LETTER_SINK, type SinkKind } from './plan.ts'
import { pathOf, streamOf, subjectOf, type World } from './world.ts'

/** A fault that a process has lived on with for this long was spoken of. */
const SPOKEN_OF_AFTER_MS = 20_000
const SPOKEN_OF = /^(commit fails|flush fails|append fails|file)/

export async function checkOutcome(world: World, damages: readonly Done[]): Promise<void> {
  const { outcome } = world
  ensure(outcome !== undefined, 'a run has an outcome')
  if (outcome.kind === 'refused') {
    checkRefusal(world, outcome.error, damages)
    return
  }
  const due = damages.find(({ mayGoOn }) => !mayGoOn())
  ensure(due === undefined, `I8: the job went on after this: ${due?.damage.kind}`)
  for (const [name, kind] of world.plan.sinks) {
    // Lost when nothing was left to be written to it: nobody looks any more.
    const isLost = damages.some(
      ({ damage, isUnseen }) => 'sink' in damage && damage.sink === name && isUnseen?.() === true,
    )
    if (isLost) continue
    const has = await contentOf(world, name, kind)
    const handed = world.handed.get(name)?.messages ?? []
    ensure(
      has.length === handed.length && has.every((text, index) => text === handed[index]),
      `I4: ${kind} sink ${name} has ${differenceOf(has, handed)}`,
    )
  }
  const problems = expectations(world, damages).map((expected) => problemWith(world, expected))
  // A source that was damaged behind the job's back: what it has read is what the source had before.
  ensure(problems.includes(undefined), problems[0] ?? '')
  checkSteps(world, true)
  checkSpokenOf(world)
}

/** What is to come out of the input as it is, and as it was before each damage. */
function expectations(world: World, damages: readonly Done[]): Expected[] {
  const others = world.sourceNames.includes('others') ? world.inputOf('OTHERS') : []
  return [world.inputOf('ITEMS'), ...damages.map(({ items }) => items)].map((items) =>
    expectedOf(world.plan.job, { items, others }, timeOf(world)),
  )
}

function problemWith(world: World, expected: Expected): string | undefined {
  for (const [sink, rows] of expected.sinks) {
    const problem = compare(rowsOf(world, sink), rows, sink === 'join' ? 'any order' : 'by key')
    if (problem !== undefined) return `I9: results in ${sink}: ${problem}`
  }
  return (
    problemOfDeadLetters(world, expected) ??
    problemOfCounters(world, expected) ??
    problemOfNewest(world, expected)
  )
}

const timeOf = ({ plan }: World) => ({
  outOfOrderMs: plan.mode === 'batch' ? undefined : plan.outOfOrderMs,
  ends: plan.mode !== 'live',
})

/** A refusal has its reason in a damage, and nothing wrong has left before it. */
function checkRefusal(world: World, error: Error, damages: readonly Done[]): void {
  const isRefusal = [ConfigError, DataLossError, StateError].some((kind) => error instanceof kind)
  const cause = damages.find(({ says }) => says.test(error.message))
  ensure(
    isRefusal && cause !== undefined,
    `the job ends with ${error.name}: ${error.message} (${damages.map(({ damage }) => damage.kind).join(', ') || 'nothing was damaged'})`,
  )
  const candidates = expectations(world, damages)
  for (const sink of world.handed.keys()) {
    if (sink === DEAD_LETTER_SINK) continue
    const actual = rowsOf(world, sink)
    const problems = candidates.map(({ sinks }) => {
      const rows = sinks.get(sink) ?? []
      return compare(actual, rows, sink === 'join' ? 'some' : 'first by key')
    })
    ensure(
      problems.some((problem) => problem === undefined),
      `I8: before the refusal, results in ${sink}: ${problems[0]}`,
    )
  }
  checkSteps(world, false)
}

// ── what is where ────────────────────────────────────────────────────────────────────────────────

/** The results in a destination, in the order of their numbers; each once. */
async function contentOf(world: World, name: string, kind: SinkKind): Promise<string[]> {
  const stream = streamOf(name)
  const run = world.wasDeleted ? readJobRow(world.store())?.run : undefined
  switch (kind) {
    case 'file': {
      const lines = world.files.text(pathOf(name)).split('\n')
      ensure(lines.pop() === '', `I4: file ${name} ends within a line`)
      return lines.map((line) => `${Buffer.from(line, 'utf8').toString('latin1')}\n`)
    }
    case 'embedded': {
      const { last } = await world.log.inspect(stream, 0)
      // What an earlier state had written is before it.
      const before = world.wasDeleted ? last - (world.handed.get(name)?.messages.length ?? 0) : 0
      const messages = Array.from({ length: last - before }, (_, index) =>
        world.log.fetch(stream, 0, before + index + 1),
      )
      return (await Promise.all(messages)).map((message) =>
        Buffer.from(message?.data ?? []).toString('latin1'),
      )
    }
    case 'own':
    case 'shared':
    case 'chained': {
      const ours = world.server
        .stream(stream)
        .ledger.filter(
          ({ subject, headers }) =>
            subject === subjectOf(name) &&
            headers !== '' &&
            (run === undefined || runOf(headers) === run),
        )
      if (kind !== 'own') {
        const numbers = ours.map(
          ({ headers }) => headerOf(headers, 'Nats-Msg-Id') ?? headerOf(headers, 'Millrace-Id'),
        )
        ensure(
          new Set(numbers).size === numbers.length,
          `I4: ${kind} sink ${name} has a result twice: ${numbers.join(' ')}`,
        )
        const numberOf = (id: string | undefined): number => Number(id?.split('/').at(-1))
        if (kind === 'shared') {
          ours.sort(
            (a, b) =>
              numberOf(headerOf(a.headers, 'Nats-Msg-Id')) -
              numberOf(headerOf(b.headers, 'Nats-Msg-Id')),
          )
        }
      }
      return ours.map(({ data }) => Buffer.from(data).toString('latin1'))
    }
  }
}

/** Of which run a message is; a foreign one is of none. */
function runOf(headers: string): string | undefined {
  const names = ['Nats-Msg-Id', 'Millrace-Id', 'Millrace-Writer']
  const writer = names.map((header) => headerOf(headers, header)).find((of) => of !== undefined)
  return writer?.split('/')[0]
}

function differenceOf(has: readonly string[], handed: readonly string[]): string {
  const at = has.findIndex((text, index) => text !== handed[index])
  return at < 0
    ? `${has.length} results, and ${handed.length} were handed over`
    : `${JSON.stringify(has[at])} as result ${at + 1}, and ${JSON.stringify(handed[at])} was handed over`
}

interface Result {
  readonly k: string
  readonly [name: string]: unknown
}

const resultsOf = (world: World, sink: string): Result[] =>
  (world.handed.get(sink)?.messages ?? []).map(
    (text) => JSON.parse(Buffer.from(text, 'latin1').toString('utf8')) as Result,
  )

/** Results as the model has them. */
const rowsOf = (world: World, sink: string): Row[] =>
  resultsOf(world, sink).map(({ k, ...rest }) => ({
    k,
    text: sink === 'steps' ? String(rest['n']) : JSON.stringify(rest),
  }))

// ── against the model ────────────────────────────────────────────────────────────────────────────

type How = 'by key' | 'first by key' | 'any order' | 'some'

function compare(actual: readonly Row[], expected: readonly Row[], how: How): string | undefined {
  const [has, wanted] = [byKey(actual), byKey(expected)]
  for (const k of new Set([...has.keys(), ...wanted.keys()])) {
    const of = has.get(k) ?? []
    const want = [...(wanted.get(k) ?? [])]
    const isPart = how === 'first by key' || how === 'some'
    if (how === 'any order' || how === 'some') {
      for (const text of of) {
        const at = want.indexOf(text)
        if (at < 0) return `key ${JSON.stringify(k)} has ${text}, which is not to be`
        want.splice(at, 1)
      }
      if (!isPart && want.length > 0) return `key ${JSON.stringify(k)} has not ${want.join(' ')}`
      continue
    }
    const until = isPart ? of.length : Math.max(of.length, want.length)
    for (let index = 0; index < until; index++) {
      if (of[index] === want[index]) continue
      return `key ${JSON.stringify(k)} has ${of[index]} at ${index}, and ${want[index]} is to be there: ${of.join(' ')} | ${want.join(' ')}`
    }
  }
  return undefined
}

function byKey(rows: readonly Row[]): Map<string, string[]> {
  const keys = new Map<string, string[]>()
  for (const { k, text } of rows) {
    const texts = keys.get(k)
    if (texts === undefined) keys.set(k, [text])
    else texts.push(text)
  }
  return keys
}

/** One history: each result of a key knows the one before it, and the state the last. */
function checkSteps(world: World, isWhole: boolean): void {
  if (!world.plan.job.branches.includes('steps')) return
  const last = new Map<string, number>()
  for (const { k, drawn, previous } of resultsOf(world, 'steps')) {
    const before = last.get(k) ?? null
    ensure(
      previous === before,
      `I2: a result of ${JSON.stringify(k)} follows ${String(previous)}, and ${String(before)} had left: two histories`,
    )
    last.set(k, Number(drawn))
  }
  if (!isWhole || world.isBitFlipped) return
  for (const [k, drawn] of last) {
    const state = cellOf(world, 'steps', k, 'last')
    ensure(
      state === drawn,
      `I2: the state of ${JSON.stringify(k)} is ${String(state)}, and ${String(drawn)} has left`,
    )
  }
}

function cellOf(world: World, operator: string, key: string, cell: string): unknown {
  const store = world.store()
  const row = readJobRow(store)?.operators[operator]
  const state = row === undefined ? undefined : readState(store, operator, row, key)
  return state?.cells.find(({ name }) => name === cell)?.content
}

function problemOfNewest(world: World, { newest }: Expected): string | undefined {
  if (!world.plan.job.branches.includes('newest') || world.isBitFlipped) return undefined
  for (const [k, n] of newest) {
    const row = cellOf(world, 'newest', k, 'row') as { value?: { n?: number } } | undefined
    if (row?.value?.n === n) continue
    return `I9: the table has ${JSON.stringify(row)} for ${JSON.stringify(k)}, and ${n} is its newest`
  }
  return undefined
}

/** Nothing was dropped that was not counted and kept (I6). */
function problemOfDeadLetters(world: World, { deadLetters }: Expected): string | undefined {
  const letters = resultsOf(world, DEAD_LETTER_SINK) as unknown as {
    place: string
    reason: string
  }[]
  const actual = letters.map(({ place, reason }) => {
    const [, stream = '', sequence = ''] = /^(\w+)\/0 @ (\d+)$/.exec(place) ?? []
    const [of = reason] =
      /^(not JSON|not UTF-8|does not fit the schema|no usable time|late)/.exec(reason) ?? []
    return deadLetterOf(stream, Number(sequence), of as 'late')
  })
  const [has, wants] = [actual.toSorted().join('; '), deadLetters.toSorted().join('; ')]
  return has === wants ? undefined : `I6: set aside were ${has}, and not ${wants}`
}

function problemOfCounters(world: World, expected: Expected): string | undefined {
  const counters = readEpochRow(world.store())?.counters ?? NO_COUNTERS
  const flawed = expected.deadLetters.filter((letter) => !letter.endsWith(': late')).length
  const { records, late, deadLettered } = counters
  const counted = `${records} records, ${late} late, ${deadLettered} set aside`
  const wanted = `${expected.records} records, ${expected.late} late, ${flawed} set aside`
  return counted === wanted ? undefined : `I6: counted are ${counted}, of ${wanted}`
}

/** Every fault that a process has lived on with has left a line. */
function checkSpokenOf({ hits, said, diedAt }: World): void {
  for (const { life, at, what } of hits) {
    if (!SPOKEN_OF.test(what)) continue
    const livedUntil = diedAt.get(life) ?? Number.POSITIVE_INFINITY
    if (livedUntil < at + SPOKEN_OF_AFTER_MS) continue
    const isSpokenOf = said.some((line) => line.life === life && line.at >= at)
    ensure(isSpokenOf, `a fault left no line: ${what}`)
  }
}
