/** The stream behind a JetStream sink: made when it is missing, checked when it is there. */
import { ConfigError, DataLossError } from '../errors.ts'
import type { JetStreamConnection, JetStreamOptions } from '../log/jetstream-connection.ts'
import { checkStreamName } from '../log/jetstream-log.ts'
import { streamMissing } from '../log/jetstream-loss.ts'
import { JetStreamApi, type StreamConfig, type StreamInfo } from '../log/jetstream-wire.ts'
import type { SinkOwner } from './sink.ts'

export interface JetStreamSinkOptions extends JetStreamOptions {
  readonly stream: string
  /** The subject of every result, without wildcards. */
  readonly subject: string
  /** Make the stream when it is missing; default true. */
  readonly create?: boolean
  /** Copies of a stream that is made; default 1. */
  readonly replicas?: number
  /** Most messages sent and not yet acknowledged; default 1000. */
  readonly windowMax?: number
}

/**
 * The stream as it is, after it was made if need be.
 * @param wanted more settings of a stream that is made
 * @throws ConfigError when results would not stay in it as they were sent
 */
export async function openSinkStream(
  connection: JetStreamConnection,
  options: JetStreamSinkOptions,
  wanted: Partial<StreamConfig> = {},
): Promise<StreamInfo> {
  const { stream, subject } = options
  checkStreamName(stream)
  checkSubject(subject)
  const api = new JetStreamApi(connection)
  const found = await api.streamInfo(stream)
  if (found !== undefined) {
    checkStream(found, options)
    return found
  }
  if (options.create === false) throw streamMissing(stream, connection.servers)
  const made = await api.createStream({
    name: stream,
    subjects: [subject],
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    num_replicas: options.replicas ?? 1,
    ...wanted,
  })
  // Servers ignore settings they do not know: what counts is what the stream became.
  checkStream(made, options)
  return made
}

function checkSubject(subject: string): void {
  if (!/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject)) {
    throw new ConfigError(
      `"${subject}" is not a subject to publish to; write tokens with dots between, without spaces, '*' or '>'`,
    )
  }
}

function checkStream(info: StreamInfo, options: JetStreamSinkOptions): void {
  const { config } = info
  const { name, retention = 'limits', subjects = [] } = config
  const problems: string[] = []
  if (retention !== 'limits') {
    problems.push(
      `stream ${name} has retention ${retention}: results that were consumed are gone, and a restarted job could not see that it had sent them; use retention limits, and for consumers that need ${retention} another stream that sources this one`,
    )
  }
  if (!subjects.some((pattern) => subjectMatches(pattern, options.subject))) {
    problems.push(
      `stream ${name} does not take subject ${options.subject}; its subjects are ${subjects.join(', ') || '(none)'}`,
    )
  }
  if (config.no_ack === true)
    problems.push(`stream ${name} has no_ack; results need acknowledgement`)
  if (config.sealed === true) problems.push(`stream ${name} is sealed and takes no messages`)
  if (config.mirror !== undefined) problems.push(`stream ${name} is a mirror and takes no messages`)
  if (problems.length > 0) throw new ConfigError(problems)
}

const WHAT_NOW = 'restore the stream, or start the job with a new state and another stream'

/** The stream is another one than the state has written to. */
export function sinkRecreated(stream: string, known: string, found: string): DataLossError {
  return new DataLossError(
    `stream ${stream} was deleted and made again: this job wrote its results to the one of ${known}, this one is of ${found}; ${WHAT_NOW}`,
  )
}

/** The stream ends before what it had acknowledged. */
export function sinkTruncated(stream: string, last: number, acknowledged: number): DataLossError {
  return new DataLossError(
    `stream ${stream} ends at ${last}, but had acknowledged results up to ${acknowledged}: the server lost them; ${WHAT_NOW}`,
  )
}

/** The state has written to another stream than the one that is configured now. */
export function sinkMoved(stream: string, configured: string): DataLossError {
  return new DataLossError(
    `this state has written its results to stream ${stream}, not to ${configured}; name the stream it has written to, or start the job with a new state`,
  )
}

/** Whether a subject falls under a pattern with the wildcards '*' (one token) and '>' (the rest). */
export function subjectMatches(pattern: string, subject: string): boolean {
  const tokens = subject.split('.')
  const parts = pattern.split('.')
  for (const [index, part] of parts.entries()) {
    if (part === '>') return tokens.length > index
    if (index >= tokens.length || (part !== '*' && part !== tokens[index])) return false
  }
  return tokens.length === parts.length
}

/** Who wrote a message, in a form that fits a header: run, job, task and destination. */
export function writerOf(owner: SinkOwner): string {
  return [owner.run, owner.job, owner.task, owner.destination].map(encodeURIComponent).join('/')
}
