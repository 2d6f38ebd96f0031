/**
 * `npm run bench -- [--rounds 5] [--only name] [--small]`: runs the benchmarks and prints their
 * table, as text and as markdown. Ends with 1 when a figure misses its goal (never with --small).
 */
import { parseArgs } from 'node:util'
import { cpus, release, type } from 'node:os'
import type { Row, Subject } from './subject.ts'
import { bySecond } from './subjects/by-second.ts'
import { hourly } from './subjects/hourly.ts'
import { intervalJoin } from './subjects/interval-join.ts'
import { jetStreamIn, replay } from './subjects/jetstream-in.ts'
import { jetStreamOut } from './subjects/jetstream-out.ts'
import { liveLatency } from './subjects/live-latency.ts'
import { manyDue } from './subjects/many-due.ts'
import { restart } from './subjects/restart.ts'
import { restore } from './subjects/restore.ts'
import { sessions } from './subjects/sessions.ts'
import { snapshot } from './subjects/snapshot.ts'
import { sliding } from './subjects/sliding.ts'
import { start } from './subjects/start.ts'
import { asMarkdown, asText } from './table.ts'

const SUBJECTS: readonly Subject[] = [
  hourly,
  bySecond,
  jetStreamIn,
  replay,
  jetStreamOut,
  liveLatency,
  start,
  restart,
  restore,
  snapshot,
  sliding,
  sessions,
  intervalJoin,
  manyDue,
]

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true },
    small: { type: 'boolean', default: false },
  },
})

const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) {
  throw new Error(`--rounds ${values.rounds}: write a whole number from 1`)
}
const chosen = SUBJECTS.filter(({ name }) => values.only?.includes(name) ?? true)
if (chosen.length === 0) {
  const names = SUBJECTS.map(({ name }) => name).join(', ')
  throw new Error(`--only ${values.only?.join(' ')}: there are ${names}`)
}

const progress = (text: string): void => console.error(text)
const rows: Row[] = []
for (const subject of chosen) {
  rows.push(...(await subject.measure({ size: values.small ? 'small' : 'full', rounds, progress })))
}
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${type()} ${release()}, Node ${process.version}, ${rounds} rounds`
console.log(`${asText(rows)}\n\n${asMarkdown(rows)}\n\n${machine}`)
if (!values.small && rows.some(({ met }) => !met)) process.exitCode = 1
