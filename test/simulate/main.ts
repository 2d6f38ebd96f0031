/**
 * Simulated runs of the production task under faults:
 *
 *     npm run simulate -- --seeds 10000 --from 1
 *     npm run simulate -- --mutations --seeds 3000
 *
 * A seed that fails is printed with its plan, and `--seeds 1 --from SEED --trace` shows its run. The last
 * line says how many passed; the exit code is 1 when one did not.
 */
import { parseArgs } from 'node:util'
import { findMutation } from './mutate.ts'
import { MUTATIONS } from './mutations.ts'
import { drawPlan, planText } from './plan.ts'
import { simulate } from './simulate.ts'

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    /** Ends at the first seed that fails. */
    first: { type: 'boolean', default: false },
    /** Puts bugs into a copy of the code, one at a time, and says which seed finds each. */
    mutations: { type: 'boolean', default: false },
    /** Only mutations whose name has this text. */
    only: { type: 'string', default: '' },
  },
})
if (flags.mutations) process.exit(findMutations())

const [count, from] = [Number(flags.seeds), Number(flags.from)]
const ends = new Map<string, number>()
let [passed, ran, events, hits] = [0, 0, 0, 0]
const startedAt = process.cpuUsage()

for (let seed = from; seed < from + count; seed++) {
  const plan = drawPlan(seed)
  const result = await simulate(plan, flags.trace ? (line) => console.log(line) : undefined)
  ran += 1
  events += result.events
  hits += result.hits
  ends.set(result.end, (ends.get(result.end) ?? 0) + 1)
  if (result.violation === undefined) {
    passed += 1
    continue
  }
  console.log(`${planText(plan)}\n  VIOLATION after ${result.virtualMs} ms, trace ${result.hash}`)
  console.log(`  ${result.violation.stack ?? result.violation.message}\n`)
  if (flags.first) break
}

const { user, system } = process.cpuUsage(startedAt)
const seconds = (user + system) / 1e6
const endings = [...ends].map(([end, times]) => `${times} ${end}`).join(', ')
console.log(`${events} events, ${hits} faults that hit, ${endings}`)
console.log(`${(ran / seconds).toFixed(0)} seeds a second of CPU`)
console.log(`${passed} of ${ran} seeds passed (from ${from})`)
process.exitCode = passed === ran ? 0 : 1

/** @returns the exit code. */
function findMutations(): number {
  const tried = MUTATIONS.filter(({ name }) => name.includes(flags.only))
  let found = 0
  for (const mutation of tried) {
    const by = findMutation(mutation, { seeds: Number(flags.seeds), from: Number(flags.from) })
    if (by !== undefined) found += 1
    const how = by === undefined ? 'NOT FOUND' : `seed ${by.seed}, ${by.seeds} seeds`
    console.log(`| ${mutation.name} | ${how} | ${by?.says.slice(0, 150) ?? ''} |`)
  }
  console.log(`${found} of ${tried.length} mutations found`)
  return found === tried.length ? 0 : 1
}
