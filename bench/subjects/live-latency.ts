/**
 * How long a record takes, live: from the publisher's clock to the time at which the server stored the
 * result, which is on the same machine. The publisher's times are whole milliseconds, rounded down.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { NatsServer } from '../../test/support/nats-server.ts'
import { BareJetStream } from '../baselines/bare-jetstream.ts'
import { ourArguments } from '../our-run.ts'
import { makeRunFolder, programArguments } from '../places.ts'
import { runChild, startChild } from '../run-child.ts'
import type { RunningChild } from '../run-child.ts'
import type { RunOptions, Row, Subject } from '../subject.ts'
import { waitUntil } from '../wait-until.ts'

const IN = 'BENCH_LIVE_IN'
const OUT = 'BENCH_LIVE_OUT'
const LATENCY_MS_MAX = { p50: 20, p99: 50 } as const
const SIZES = {
  full: { ratePerSecond: 20_000, seconds: 30, warmUpSeconds: 10 },
  small: { ratePerSecond: 1_000, seconds: 2, warmUpSeconds: 1 },
} as const

export const liveLatency: Subject = {
  name: 'live-latency',
  async measure(options) {
    const server = await NatsServer.start()
    const folder = makeRunFolder()
    const jetStream = await BareJetStream.connect(server.url)
    await jetStream.makeStream(IN)
    const job = startChild(jobArguments(server.url, folder), folder)
    try {
      const latencies = await latenciesOf(jetStream, job, server.url, options)
      return [rowFor('p50', latencies), rowFor('p99', latencies)]
    } finally {
      job.process.kill('SIGKILL')
      await job.ended
      await jetStream.close()
      await server.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

function jobArguments(url: string, folder: string): readonly string[] {
  return ourArguments({
    manifest: 'bench/jobs/live.yaml',
    mode: 'live',
    stateFolder: join(folder, 'state'),
    set: {
      'sources.ratings.jetstream.servers': url,
      'sinks.results.jetstream.servers': url,
    },
  })
}

/** Latencies in milliseconds after the warm-up, sorted. */
async function latenciesOf(
  jetStream: BareJetStream,
  job: RunningChild,
  url: string,
  { size, progress }: RunOptions,
): Promise<readonly number[]> {
  const { ratePerSecond, seconds, warmUpSeconds } = SIZES[size]
  progress(`live: ${ratePerSecond} records/s for ${seconds} s`)
  const run = ['live-publisher', [url, IN, `${ratePerSecond}`, `${seconds}`]] as const
  await runChild(programArguments(...run))
  const expected = (await jetStream.streamState(IN)).last_seq
  if (expected !== ratePerSecond * seconds) {
    throw new Error(`the stream took ${expected} of ${ratePerSecond * seconds} records`)
  }
  const haveAll = async (): Promise<boolean> => {
    if (job.process.exitCode !== null) throw new Error(`the job ended:\n${job.output()}`)
    return (await jetStream.findState(OUT))?.last_seq === expected
  }
  await waitUntil(`there were ${expected} results`, haveAll, { everyMs: 100, timeoutMs: 60_000 })

  const latencies: number[] = []
  let firstMs: number | undefined
  await jetStream.readAll(OUT, (message) => {
    const { publishedAt } = message.json<{ publishedAt: number }>()
    firstMs ??= publishedAt
    if (publishedAt < firstMs + warmUpSeconds * 1_000) return
    latencies.push(storedAtMs(message.reply ?? '') - publishedAt)
  })
  return latencies.toSorted((left, right) => left - right)
}

/** The time in a delivered message's reply subject; servers with domains put two tokens before it. */
function storedAtMs(reply: string): number {
  const tokens = reply.split('.')
  const nanoseconds = tokens.length < 11 ? tokens[7] : tokens[9]
  return Number(nanoseconds) / 1e6
}

function rowFor(percentile: keyof typeof LATENCY_MS_MAX, sorted: readonly number[]): Row {
  const share = Number(percentile.slice(1)) / 100
  const latencyMs = sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
  return {
    what: `live at 20 k records/s, publish → result acknowledged, ${percentile}`,
    ours: `${latencyMs.toFixed(1)} ms`,
    baseline: '',
    ratio: '',
    goal: `≤ ${LATENCY_MS_MAX[percentile]} ms`,
    met: latencyMs <= LATENCY_MS_MAX[percentile],
  }
}
