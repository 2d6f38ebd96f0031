/**
 * A job's figures in the text format of Prometheus. They are read when they are asked for: counting
 * costs a record nothing.
 */
import type { Registry } from 'prom-client'
import type { CommitTiming } from '../task/task-parts.ts'
import type { JobReport } from './job-report.ts'

export interface PrometheusPage {
  readonly contentType: string
  text(): Promise<string>
  /** Counts a commit. */
  readonly observe: (timing: CommitTiming) => void
}

type Labels = Readonly<Record<string, string>>
type Sample = readonly [labels: Labels, value: number | null]

interface Metric {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels: readonly string[]
  readonly samples: (report: JobReport, now: number) => readonly Sample[]
}

const SECOND_MS = 1_000

const METRICS: readonly Metric[] = [
  {
    name: 'millrace_job_state',
    help: '1 for the state in which the job is',
    kind: 'gauge',
    labels: ['state'],
    samples: ({ state }) => [[{ state }, 1]],
  },
  {
    name: 'millrace_epoch',
    help: 'The newest durable epoch',
    kind: 'gauge',
    labels: [],
    samples: ({ epoch }) => [[{}, epoch]],
  },
  {
    name: 'millrace_restarts_total',
    help: 'Restarts after a failure, of this process',
    kind: 'counter',
    labels: [],
    samples: ({ restarts }) => [[{}, restarts]],
  },
  {
    name: 'millrace_input_records_total',
    help: 'Records taken in since the state was created',
    kind: 'counter',
    labels: ['source', 'input'],
    samples: ({ inputs }) =>
      inputs.map(({ source, input, records }) => [{ source, input }, records]),
  },
  {
    name: 'millrace_input_refused_records_total',
    help: 'Records set aside before they entered the pipeline, since the state was created',
    kind: 'counter',
    labels: ['source', 'input', 'reason'],
    samples: ({ inputs }) =>
      inputs.flatMap(({ source, input, refused }) =>
        Object.entries(refused).map(([reason, records]): Sample => [
          { source, input, reason },
          records,
        ]),
      ),
  },
  {
    name: 'millrace_input_lag_messages',
    help: 'Messages that are there and were not read, as far as the input knows',
    kind: 'gauge',
    labels: ['source', 'input'],
    samples: ({ inputs }) =>
      inputs.map(({ source, input, lagMessages }) => [{ source, input }, lagMessages]),
  },
  {
    name: 'millrace_input_watermark_seconds',
    help: 'How far event time has come, in seconds since 1970',
    kind: 'gauge',
    labels: ['source', 'input'],
    samples: ({ inputs }) =>
      inputs.map(({ source, input, watermark }) => [
        { source, input },
        watermark === null ? null : watermark / SECOND_MS,
      ]),
  },
  {
    name: 'millrace_input_watermark_lag_seconds',
    help: 'How far the watermark is behind the clock',
    kind: 'gauge',
    labels: ['source', 'input'],
    samples: ({ inputs }) =>
      inputs.map(({ source, input, watermarkLagMs }) => [
        { source, input },
        watermarkLagMs === null ? null : watermarkLagMs / SECOND_MS,
      ]),
  },
  {
    name: 'millrace_input_idle',
    help: '1 while the input has been silent for so long that it holds nobody back',
    kind: 'gauge',
    labels: ['source', 'input'],
    samples: ({ inputs }) =>
      inputs.map(({ source, input, idle }) => [{ source, input }, idle ? 1 : 0]),
  },
  {
    name: 'millrace_sink_results_total',
    help: 'Results made since the state was created',
    kind: 'counter',
    labels: ['sink'],
    samples: ({ outputs }) => outputs.map(({ sink, results }) => [{ sink }, results]),
  },
  {
    name: 'millrace_outbox_messages',
    help: 'Results that are not durably taken yet',
    kind: 'gauge',
    labels: ['sink'],
    samples: ({ outputs }) => outputs.map(({ sink, waiting }) => [{ sink }, waiting]),
  },
  {
    name: 'millrace_outbox_bytes',
    help: 'Their bytes',
    kind: 'gauge',
    labels: ['sink'],
    samples: ({ outputs }) => outputs.map(({ sink, waitingBytes }) => [{ sink }, waitingBytes]),
  },
  {
    name: 'millrace_late_records_total',
    help: 'Records that came too late, since the state was created',
    kind: 'counter',
    labels: [],
    samples: ({ late }) => [[{}, late]],
  },
  {
    name: 'millrace_dead_letters_total',
    help: 'Records in the dead letter, since the state was created',
    kind: 'counter',
    labels: [],
    samples: ({ deadLettered }) => [[{}, deadLettered]],
  },
  {
    name: 'millrace_windows_total',
    help: 'Windows and timers fired, since the state was created',
    kind: 'counter',
    labels: [],
    samples: ({ windows }) => [[{}, windows]],
  },
  {
    name: 'millrace_operator_fired_total',
    help: 'Windows and timers fired by this process',
    kind: 'counter',
    labels: ['operator'],
    samples: ({ operators }) => operators.map(({ operator, fired }) => [{ operator }, fired]),
  },
  {
    name: 'millrace_operator_cached_keys',
    help: 'Keys in memory: key actors, or slots of open windows',
    kind: 'gauge',
    labels: ['operator'],
    samples: ({ operators }) =>
      operators.map(({ operator, cachedKeys }) => [{ operator }, cachedKeys]),
  },
  {
    name: 'millrace_snapshot_age_seconds',
    help: 'Since the newest snapshot of this process was taken',
    kind: 'gauge',
    labels: [],
    samples: ({ snapshots: { last } }, now) =>
      last === undefined ? [] : [[{}, (now - last.createdAt) / SECOND_MS]],
  },
  {
    name: 'millrace_snapshot_bytes',
    help: 'Size of the newest snapshot of this process',
    kind: 'gauge',
    labels: [],
    samples: ({ snapshots: { last } }) => (last === undefined ? [] : [[{}, last.bytes]]),
  },
  {
    name: 'millrace_snapshot_failures',
    help: 'Snapshots that failed in a row',
    kind: 'gauge',
    labels: [],
    samples: ({ snapshots: { failures } }) => [[{}, failures]],
  },
]

const BUCKETS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]

/** Loads the library only for a job that is to be watched. */
export async function prometheusPage(
  report: () => JobReport,
  now: () => number,
): Promise<PrometheusPage> {
  const { Registry, Counter, Gauge, Histogram, collectDefaultMetrics } = await import('prom-client')
  const registry: Registry = new Registry()
  registry.setDefaultLabels({ job_name: report().job })
  collectDefaultMetrics({ register: registry })
  const metrics = METRICS.map(({ name, help, kind, labels, samples }) => {
    const settings = { name, help, labelNames: labels, registers: [registry] }
    const metric = kind === 'counter' ? new Counter(settings) : new Gauge(settings)
    return { metric, samples }
  })
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets: BUCKETS_S, registers: [registry] })
  const epochs = histogram('millrace_epoch_seconds', 'How long epochs were open')
  const commits = histogram('millrace_commit_seconds', 'How long commits took until durable')
  return {
    contentType: registry.contentType,
    async text() {
      const current = report()
      for (const { metric, samples } of metrics) {
        // Labels that are no more, and values that are not known, are not shown.
        metric.reset()
        for (const [labels, value] of samples(current, now())) {
          if (value !== null) metric.inc(labels, value)
        }
      }
      return await registry.metrics()
    },
    observe({ epochMs, commitMs }) {
      epochs.observe(epochMs / SECOND_MS)
      commits.observe(commitMs / SECOND_MS)
    },
  }
}
