/** What `millrace doctor` looks for in a NATS server and in the streams of a job. Nothing is changed. */
import { ConfigError, reasonOf } from '../errors.ts'
import {
  isVersionAtLeast,
  JetStreamConnection,
  type JetStreamOptions,
} from '../log/jetstream-connection.ts'
import { checkReadable, streamMissing } from '../log/jetstream-loss.ts'
import { encodeHeaders, JetStreamPublisher } from '../log/jetstream-publisher.ts'
import { scanStream } from '../log/jetstream-scan.ts'
import { JETSTREAM_ERROR, JetStreamApi, rangeOf, type StreamInfo } from '../log/jetstream-wire.ts'

export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem'
  readonly what: string
  readonly todo?: string
}

/** How a job uses a stream. */
export interface StreamUse {
  readonly stream: string
  readonly use: 'read' | 'write' | 'write shared'
  /** Where results are published. */
  readonly subject?: string
  /** What a shared stream's duplicate_window should be at least. */
  readonly duplicateWindowMs?: number
}

export interface NatsCheckOptions extends JetStreamOptions {
  readonly streams?: readonly StreamUse[]
}

/** Versions [from, before) and what is wrong with them. */
const KNOWN_BAD: readonly {
  readonly from: string
  readonly before: string
  readonly level: 'warning' | 'problem'
  readonly what: string
}[] = [
  {
    from: '2.10.20',
    before: '2.10.23',
    level: 'problem',
    what: 'may lose a whole stream when it is killed',
  },
  {
    from: '2.9.0',
    before: '2.9.21',
    level: 'warning',
    what: 'has known faults with streams of more than one replica; use one replica with it',
  },
  {
    from: '2.9.0',
    before: '2.10.0',
    level: 'warning',
    what: 'writes to disk only every two minutes, so that a machine losing power loses acknowledged messages; that cannot be set',
  },
]
const VERSION_ADVISED = '2.10.29'
const PAYLOAD_BYTES_ADVISED = 64 * 1024
const NANOSECONDS_PER_MS = 1_000_000

/** Never throws: what cannot be found out is a finding. */
export async function checkNats(options: NatsCheckOptions): Promise<Finding[]> {
  let connection: JetStreamConnection
  try {
    connection = await JetStreamConnection.open(options)
  } catch (error) {
    return [{ level: 'problem', what: reasonOf(error) }]
  }
  try {
    const findings = [...checkServer(connection), await checkJetStream(connection)]
    if (findings.some(({ level }) => level === 'problem')) return findings
    for (const use of options.streams ?? []) findings.push(...(await checkUse(connection, use)))
    return findings
  } finally {
    await connection.close()
  }
}

function checkServer(connection: JetStreamConnection): Finding[] {
  const { version, servers, payloadBytesMax } = connection
  const findings: Finding[] = [
    { level: 'ok', what: `nats-server ${version} at ${servers} answers` },
    ...checkVersion(version),
  ]
  if (payloadBytesMax < PAYLOAD_BYTES_ADVISED) {
    findings.push({
      level: 'warning',
      what: `messages of more than ${payloadBytesMax} bytes are refused`,
      todo: 'raise max_payload of nats-server if records or results can be larger',
    })
  }
  return findings
}

/** What is known to be wrong with a version of nats-server. */
export function checkVersion(version: string): Finding[] {
  return KNOWN_BAD.filter(
    ({ from, before }) => isVersionAtLeast(version, from) && !isVersionAtLeast(version, before),
  ).map(({ level, what }) => ({
    level,
    what: `nats-server ${version} ${what}`,
    todo: `upgrade to ${VERSION_ADVISED} or newer`,
  }))
}

async function checkJetStream(connection: JetStreamConnection): Promise<Finding> {
  try {
    const { streams, storage, limits } = await new JetStreamApi(connection).accountInfo()
    const bound = limits.max_storage > 0 ? ` of ${limits.max_storage}` : ''
    return {
      level: 'ok',
      what: `JetStream is enabled: ${streams} streams, ${storage}${bound} bytes stored`,
    }
  } catch (error) {
    // A user need not be allowed to ask; what the job needs is tried stream by stream.
    const level = isForbidden(error) ? 'warning' : 'problem'
    return { level, what: reasonOf(error) }
  }
}

async function checkUse(connection: JetStreamConnection, use: StreamUse): Promise<Finding[]> {
  try {
    const info = await new JetStreamApi(connection).streamInfo(use.stream)
    if (info === undefined) return [checkMissing(connection, use)]
    const findings = [describe(info), ...checkSettings(info, use)]
    findings.push(
      use.use === 'read'
        ? await tryReading(connection, info)
        : await tryWriting(connection, use, info),
    )
    return findings
  } catch (error) {
    return [{ level: 'problem', what: reasonOf(error) }]
  }
}

function checkMissing(connection: JetStreamConnection, { stream, use }: StreamUse): Finding {
  if (use !== 'read') {
    return { level: 'ok', what: `stream ${stream} does not exist yet; the job makes it` }
  }
  return { level: 'problem', what: streamMissing(stream, connection.servers).message }
}

function describe(info: StreamInfo): Finding {
  const { name, num_replicas: replicas = 1, retention = 'limits' } = info.config
  const { first, last } = rangeOf(info)
  const held = first > last ? 'empty' : `messages ${first}..${last}`
  return {
    level: 'ok',
    what: `stream ${name}: ${held}, retention ${retention}, replicas ${replicas}`,
  }
}

function checkSettings(info: StreamInfo, use: StreamUse): Finding[] {
  const findings: Finding[] = []
  const { name, duplicate_window: window = 0, storage } = info.config
  try {
    checkReadable(info)
  } catch (error) {
    findings.push({ level: 'problem', what: reasonOf(error) })
  }
  if (storage === 'memory') {
    findings.push({
      level: 'warning',
      what: `stream ${name} is kept in memory: its messages are gone when the server restarts`,
      todo: 'use storage file',
    })
  }
  const wanted = use.duplicateWindowMs ?? 0
  if (use.use === 'write shared' && window < wanted * NANOSECONDS_PER_MS) {
    findings.push({
      level: 'problem',
      what: `stream ${name} forgets message ids after ${window / NANOSECONDS_PER_MS} ms, but ${wanted} ms are asked for`,
      todo: 'raise its duplicate_window, lower duplicateWindow of the sink, or use chained: true',
    })
  }
  return findings
}

/** Reads a message the way a job does. */
async function tryReading(connection: JetStreamConnection, info: StreamInfo): Promise<Finding> {
  const stream = info.config.name
  const { first, last } = rangeOf(info)
  // Many messages, so that it takes the way by a consumer; it ends with the first that comes.
  const range = { stream, from: first, to: Math.max(last, first + 100) }
  try {
    await scanStream(connection, range, () => {
      throw new EnoughRead()
    })
  } catch (error) {
    if (!(error instanceof EnoughRead)) return { level: 'problem', what: reasonOf(error) }
  }
  return { level: 'ok', what: `stream ${stream} can be read` }
}

class EnoughRead extends Error {
  override readonly name = 'EnoughRead'
}

/** Publishes a message that the stream has to refuse, because it is said to be for another stream. */
async function tryWriting(
  connection: JetStreamConnection,
  use: StreamUse,
  info: StreamInfo,
): Promise<Finding> {
  const subject = use.subject ?? info.config.subjects?.[0] ?? use.stream
  const headers = encodeHeaders({ 'Nats-Expected-Stream': 'millrace-doctor' })
  const publisher = new JetStreamPublisher(connection, subject, 1)
  try {
    const { problem } = await publisher.publish(1, () => ({ data: new Uint8Array(), headers }))
    if (problem?.kind === 'fatal') return { level: 'problem', what: problem.error.message }
    if (problem?.kind === 'refused') {
      const { err_code: number, description } = problem.error
      if (number === JETSTREAM_ERROR.streamNotMatch) {
        return { level: 'ok', what: `stream ${use.stream} can be written on ${subject}` }
      }
      return { level: 'problem', what: `${subject}: ${description ?? 'refused'} (${number})` }
    }
    return { level: 'warning', what: `nobody answered a message to ${subject}` }
  } finally {
    publisher.close()
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof ConfigError && error.message.includes('permissions of this user')
}
