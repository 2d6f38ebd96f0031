/** Runs one hand-written loop in this process: `main <name> <arguments>`; prints what it read. */
import { hourlyLoop } from './hourly-loop.ts'
import { jetStreamPublishLoop } from './jetstream-publish-loop.ts'
import { jetStreamReadLoop } from './jetstream-read-loop.ts'
import { secondLoop } from './second-loop.ts'

type Loop = (...args: readonly [string, string]) => number | Promise<number>

const LOOPS: Readonly<Record<string, Loop>> = {
  'hourly-loop': hourlyLoop,
  'second-loop': secondLoop,
  'jetstream-read-loop': jetStreamReadLoop,
  'jetstream-publish-loop': jetStreamPublishLoop,
}

const [name = '', first, second] = process.argv.slice(2)
const loop = LOOPS[name]
if (loop === undefined || first === undefined || second === undefined) {
  throw new Error(`usage: main <${Object.keys(LOOPS).join('|')}> <from> <to>`)
}
const startedMs = performance.now()
const records = await loop(first, second)
console.log(JSON.stringify({ records, seconds: (performance.now() - startedMs) / 1_000 }))
