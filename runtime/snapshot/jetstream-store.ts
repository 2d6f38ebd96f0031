/**
 * Snapshots in a JetStream stream of their own. Bytes are cut into chunks that a message holds, under a
 * subject that is used once; a message that names it makes them a part, or a manifest. So what a
 * process that is gone still had on its way can never get into anything, and only lies there until it is removed.
 *
 * Subjects: <stream>.chunk.<id>.<put>, <stream>.part.<id>.<name>, <stream>.manifest.<id>.
 */
import { ConfigError, UnavailableError } from '../errors.ts'
import {
  JetStreamConnection,
  type JetStreamOptions,
  shortName,
} from '../log/jetstream-connection.ts'
import {
  encodeHeaders,
  JetStreamPublisher,
  type PublishReport,
} from '../log/jetstream-publisher.ts'
import { scanStream } from '../log/jetstream-scan.ts'
import {
  apiError,
  JETSTREAM_ERROR,
  JetStreamApi,
  type StoredMessage,
  type StreamConfig,
} from '../log/jetstream-wire.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { isSnapshotId } from './snapshot.ts'
import {
  alreadyPublished,
  type SnapshotStore,
  type TornSnapshot,
  unknownSnapshot,
} from './snapshot-store.ts'

/** As in the object store of NATS: small beside what a server takes at most, and large beside its headers. */
const CHUNK_BYTES = 128 * 1024
const CHUNKS_IN_FLIGHT_MAX = 16
const ID_TOKENS = 4
const NO_HEADERS = encodeHeaders({})
/** Only when the subject has no message: what is published once is never published again. */
const FIRST_ONLY = encodeHeaders({ 'Nats-Expected-Last-Subject-Sequence': '0' })

export interface JetStreamStoreOptions {
  readonly connection: JetStreamOptions
  readonly stream: string
  /** Of a stream that is made. */
  readonly replicas?: number
}

/** What the message that completes a part or a manifest says: where its bytes are. */
interface Pointer {
  /** The last token of the chunks' subject. */
  readonly put: string
  readonly chunks: number
  /** Sequences of the first and the last chunk. */
  readonly from: number
  readonly to: number
}

interface Link {
  readonly connection: JetStreamConnection
  readonly api: JetStreamApi
}

export class JetStreamStore implements SnapshotStore {
  readonly where: string
  readonly #options: JetStreamStoreOptions
  readonly #stream: string
  #linking: Promise<Link> | undefined

  constructor(options: JetStreamStoreOptions) {
    this.#options = options
    this.#stream = options.stream
    this.where = `the stream ${options.stream}`
  }

  async putPart(id: string, name: string, bytes: Uint8Array): Promise<void> {
    const link = await this.#link()
    if ((await this.#published(link, id)) !== undefined) throw alreadyPublished(id, this.where)
    const pointer = await this.#putChunks(link, id, bytes)
    const subject = `${this.#stream}.part.${id}.${name}`
    this.#refuseProblem(link, await this.#sendPointer(link, subject, pointer, NO_HEADERS))
  }

  async publish(id: string, manifest: Uint8Array): Promise<void> {
    const link = await this.#link()
    const pointer = await this.#putChunks(link, id, manifest)
    const subject = `${this.#stream}.manifest.${id}`
    const report = await this.#sendPointer(link, subject, pointer, FIRST_ONLY)
    if (
      report.problem?.kind === 'refused' &&
      report.problem.error.err_code === JETSTREAM_ERROR.wrongLastSequence
    ) {
      throw alreadyPublished(id, this.where)
    }
    this.#refuseProblem(link, report)
  }

  async list(): Promise<string[]> {
    const { api } = await this.#link()
    const head = `${this.#stream}.manifest.`
    const subjects = await api.subjects(this.#stream, `${head}>`)
    return subjects
      .map((subject) => subject.slice(head.length))
      .filter(isSnapshotId)
      .toSorted()
  }

  async torn(): Promise<TornSnapshot[]> {
    const { api } = await this.#link()
    const published = new Set(await this.list())
    const begun = new Set<string>()
    for (const kind of ['chunk', 'part'] as const) {
      const head = `${this.#stream}.${kind}.`
      for (const subject of await api.subjects(this.#stream, `${head}>`)) {
        begun.add(subject.slice(head.length).split('.').slice(0, ID_TOKENS).join('.'))
      }
    }
    const torn: TornSnapshot[] = []
    for (const id of begun) {
      if (published.has(id) || !isSnapshotId(id)) continue
      const last = await api.lastMessage(this.#stream, `${this.#stream}.*.${id}.>`)
      if (last !== undefined) torn.push({ id, changedAt: last.time })
    }
    return torn
  }

  async readManifest(id: string): Promise<Uint8Array> {
    const link = await this.#link()
    const found = isSnapshotId(id) ? await this.#published(link, id) : undefined
    if (found === undefined) throw unknownSnapshot(id, this.where)
    return Buffer.concat(await this.#readChunks(link, id, found, 'its manifest'))
  }

  async *readPart(id: string, name: string): AsyncGenerator<Uint8Array> {
    const link = await this.#link()
    const found = await link.api.lastMessage(this.#stream, `${this.#stream}.part.${id}.${name}`)
    if (found === undefined) {
      throw new DamagedSnapshotError(id, `part ${name} is missing in ${this.where}`)
    }
    yield* await this.#readChunks(link, id, found, `part ${name}`)
  }

  async remove(id: string): Promise<void> {
    const { api } = await this.#link()
    // Without its manifest it is no longer a snapshot, however far the rest gets.
    await api.purgeSubject(this.#stream, `${this.#stream}.manifest.${id}`)
    await api.purgeSubject(this.#stream, `${this.#stream}.part.${id}.>`)
    await api.purgeSubject(this.#stream, `${this.#stream}.chunk.${id}.>`)
  }

  async close(): Promise<void> {
    const linking = this.#linking
    this.#linking = undefined
    // One that could not be made has nothing to close.
    const link = await linking?.catch(() => undefined)
    await link?.connection.close()
  }

  #published({ api }: Link, id: string): Promise<StoredMessage | undefined> {
    return api.lastMessage(this.#stream, `${this.#stream}.manifest.${id}`)
  }

  async #putChunks(link: Link, id: string, bytes: Uint8Array): Promise<Pointer> {
    const put = shortName()
    const chunks: Uint8Array[] = []
    const length = Math.min(CHUNK_BYTES, link.connection.payloadBytesMax - NO_HEADERS.length)
    for (let at = 0; at < bytes.length; at += length) chunks.push(bytes.subarray(at, at + length))
    const report = await this.#send(link, `${this.#stream}.chunk.${id}.${put}`, chunks, NO_HEADERS)
    this.#refuseProblem(link, report)
    const { sequences } = report
    return { put, chunks: chunks.length, from: sequences[0] ?? 0, to: sequences.at(-1) ?? 0 }
  }

  async #sendPointer(
    link: Link,
    subject: string,
    pointer: Pointer,
    headers: Uint8Array,
  ): Promise<PublishReport> {
    return await this.#send(link, subject, [Buffer.from(JSON.stringify(pointer))], headers)
  }

  async #send(
    { connection }: Link,
    subject: string,
    messages: readonly Uint8Array[],
    headers: Uint8Array,
  ): Promise<PublishReport> {
    const publisher = new JetStreamPublisher(connection, subject, CHUNKS_IN_FLIGHT_MAX)
    try {
      return await publisher.publish(messages.length, (index) => ({
        data: messages[index] as Uint8Array,
        headers,
      }))
    } finally {
      publisher.close()
    }
  }

  #refuseProblem({ connection }: Link, { problem }: PublishReport): void {
    if (problem === undefined) return
    if (problem.kind === 'fatal') throw problem.error
    if (problem.kind === 'refused') throw apiError(problem.error, this.where, connection.servers)
    throw new UnavailableError(`${this.where} of NATS ${connection.servers}: ${problem.reason}`)
  }

  async #readChunks(
    { connection }: Link,
    id: string,
    message: StoredMessage,
    what: string,
  ): Promise<Uint8Array[]> {
    const pointer = pointerOf(message)
    if (pointer === undefined) throw new DamagedSnapshotError(id, `${what} cannot be found`)
    const { put, chunks, from, to } = pointer
    const found: Uint8Array[] = []
    if (chunks > 0) {
      const subject = `${this.#stream}.chunk.${id}.${put}`
      await scanStream(connection, { stream: this.#stream, subject, from, to }, ({ data }) => {
        found.push(data)
      })
    }
    if (found.length === chunks) return found
    throw new DamagedSnapshotError(id, `${what} has ${found.length} of ${chunks} chunks left`)
  }

  /** @throws UnavailableError while the server is away, ConfigError when the stream cannot keep anything. */
  async #link(): Promise<Link> {
    this.#linking ??= this.#connect()
    try {
      return await this.#linking
    } catch (error) {
      this.#linking = undefined
      throw error
    }
  }

  async #connect(): Promise<Link> {
    const connection = await JetStreamConnection.open(this.#options.connection)
    try {
      const api = new JetStreamApi(connection)
      const config = (await api.streamInfo(this.#stream))?.config ?? (await this.#make(api))
      const problem = forgets(config, this.#stream)
      if (problem === undefined) return { connection, api }
      throw new ConfigError(
        `the stream ${this.#stream} cannot keep snapshots: it ${problem}. Name another one, which is made as it must be.`,
      )
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async #make(api: JetStreamApi): Promise<StreamConfig> {
    const { config } = await api.createStream({
      name: this.#stream,
      subjects: [`${this.#stream}.>`],
      storage: 'file',
      discard: 'new',
      num_replicas: this.#options.replicas ?? 1,
    })
    return config
  }
}

/** What in a stream's settings would lose snapshots. */
function forgets(config: StreamConfig, stream: string): string | undefined {
  if (config.subjects?.includes(`${stream}.>`) !== true) return `does not take ${stream}.>`
  if (config.retention !== undefined && config.retention !== 'limits')
    return 'removes what was read'
  if ((config.max_age ?? 0) > 0) return 'removes messages by their age'
  if ((config.max_msgs_per_subject ?? -1) > 0) return 'removes older messages of a subject'
  const isBounded = (config.max_bytes ?? -1) > 0 || (config.max_msgs ?? -1) > 0
  return isBounded && config.discard !== 'new' ? 'removes old messages when it is full' : undefined
}

/** The manifest's checksum is what is believed in the end; this only has to find the bytes. */
function pointerOf({ data }: StoredMessage): Pointer | undefined {
  try {
    const parsed = JSON.parse(Buffer.from(data).toString()) as Partial<Pointer>
    const numbers = [parsed.chunks, parsed.from, parsed.to]
    const isPointer =
      typeof parsed.put === 'string' &&
      /^[\w-]{1,40}$/.test(parsed.put) &&
      numbers.every((number) => Number.isSafeInteger(number) && Number(number) >= 0)
    return isPointer ? (parsed as Pointer) : undefined
  } catch {
    return undefined
  }
}
