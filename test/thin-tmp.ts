import { readFileSync, rmSync } from 'node:fs'
import { job, tumbling, mean, maxBy } from '/work/main/runtime/index.ts'
import { openTask } from '/work/main/runtime/task/open-task.ts'
import { LmdbStore } from '/work/main/runtime/state/lmdb-store.ts'
import { systemClock } from '/work/main/runtime/time/clock.ts'
import { FileSource } from '/work/main/runtime/source/file-source.ts'
import { FileSink } from '/work/main/runtime/sink/file-sink.ts'
import * as z from 'zod'
const Rating = z.object({ userId: z.number(), movieId: z.number(), rating: z.number(), timestamp: z.number() })
const hourly = process.argv[3] === 'row1'
const j = hourly ? job('hourly', ({ source, sink }) => {
  source('ratings', Rating).keyBy((r) => r.userId).window(tumbling('1h'))
    .aggregate('hourly', { mean: mean((r: z.infer<typeof Rating>) => r.rating), latest: maxBy((r: z.infer<typeof Rating>) => r.timestamp) })
    .map(({ key, value, window }) => ({ userId: key, mean: value.mean, latest: value.latest?.movieId, windowStart: window.start, windowEnd: window.end }))
    .to(sink('latest'))
}) : job('latest-rating', ({ source, sink }) => {
  source('ratings', Rating).keyBy((r) => r.userId).window(tumbling('1s'))
    .reduce('latest', (a, b) => (b.timestamp >= a.timestamp ? b : a))
    .map(({ value, window }) => ({ ...value, windowStart: window.start, windowEnd: window.end }))
    .to(sink('latest'))
})
const [,, input, , mode] = process.argv
const state = '/tmp/thin-state'
if (mode !== 'resume') { rmSync(state, { recursive: true, force: true }); rmSync('/tmp/thin-out.jsonl', { force: true }) }
const t0 = performance.now()
let commits = 0
const task = await openTask({
  graph: j.graph, store: new LmdbStore(state), clock: systemClock, newRun: () => 'r1',
  sources: new Map([['ratings', { source: new FileSource({ name: 'ratings', path: input!, format: 'csv', textColumns: new Set(), follow: false, recordBytesMax: 1 << 20, clock: systemClock }),
    eventTime: { of: { field: 'timestamp', unit: 's' as const }, progressive: mode !== 'batch', outOfOrderMs: 5000, idleAfterMs: 30000, maxAheadMs: 86400000, minTime: Date.parse('1990-01-01') } }]]),
  sinks: new Map([['latest', new FileSink({ path: '/tmp/thin-out.jsonl', format: 'jsonl', overwrite: false })]]),
  tables: new Map(), deadLetter: new FileSink({ path: state + '/dead.jsonl', format: 'jsonl', overwrite: false }),
  policyOf: () => 'fail' as const, cache: { entriesMax: 1e6, bytesMax: 256 << 20 }, commit: { everyMs: 100, recordsMax: 500000, bytesMax: 64 << 20 }, outboxBytesMax: 64 << 20,
  onRetry: console.error, onMoment: (m) => { if (m === 'flushed') commits++ },
})
const end = await task.run()
const s = (performance.now() - t0) / 1000
console.log(end, task.countersNow(), 'commits', commits, s.toFixed(2), 's', (task.countersNow().records / s / 1e6).toFixed(2), 'M/s', 'rss', (process.memoryUsage().rss / 1e6).toFixed(0), readFileSync('/proc/self/status', 'utf8').match(/RssAnon:\s+(\d+)/)?.[1])
await task.close()
