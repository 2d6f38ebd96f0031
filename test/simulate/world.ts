/** Everything around the processes of a run: what outlives them, what goes wrong with it, and what they said. */
import { UnavailableError } from '../../runtime/errors.ts'
import { JetStreamLog } from '../../runtime/log/jetstream-log.ts'
import type { JobDefinition } from '../../runtime/pipeline/job.ts'
import { EmbeddedSink } from '../../runtime/sink/embedded-sink.ts'
import { FileSink } from '../../runtime/sink/file-sink.ts'
import { JetStreamSharedSink } from '../../runtime/sink/jetstream-shared-sink.ts'
import { JetStreamSink } from '../../runtime/sink/jetstream-sink.ts'
import type { Sink } from '../../runtime/sink/sink.ts'
import { decodeJson } from '../../runtime/source/format/json.ts'
import { logSource } from '../../runtime/source/log-source.ts'
import type { Cut } from '../../runtime/task/cut.ts'
import { Lifecycle } from '../../runtime/task/lifecycle.ts'
import { decodeRow } from '../../runtime/state/row-codec.ts'
import type { EpochRow } from '../../runtime/task/meta.ts'
import { openTask, type TaskSource } from '../../runtime/task/open-task.ts'
import type { Task, TaskEnd } from '../../runtime/task/task.ts'
import type { Moment } from '../../runtime/task/task-parts.ts'
import { MemoryDisk, MemoryStore } from '../../runtime/testing/memory-store.ts'
import { MemoryLog } from '../../runtime/testing/memory-log.ts'
import type { EventTimeOptions } from '../../runtime/time/event-time.ts'
import { Chance } from './chance.ts'
import { CheckedSink, Handed } from './checked-sink.ts'
import { CheckedStore } from './checked-store.ts'
import { ensure } from './ensure.ts'
import { MortalLog } from './embedded-log.ts'
import { SimulatedFiles } from './files.ts'
import { SimulatedConnection } from './jetstream-connection.ts'
import { SimulatedServer } from './jetstream-server.ts'
import { buildJob } from './job.ts'
import { Life } from './life.ts'
import { DEAD_LETTER_SINK, type Death, type Plan, type Settings, type SinkKind } from './plan.ts'
import type { Input } from './model.ts'
import { EPOCH_MS, EVENT_TIME_LIMITS, type Message } from './records.ts'
import { Timeline } from './timeline.ts'
import { CALM, type Weather } from './weather.ts'

const RESTART = {
  strategy: 'exponential',
  attemptsMax: 4,
  delayMs: 50,
  delayMaxMs: 1_000,
} as const
const REQUEST_TIMEOUT_MS = 500
const CACHE_BYTES_MAX = 1_000_000
const COMMIT_BYTES_MAX = 1_000_000

/** A fault that has hit a process, or something that a process said. */
export interface Note {
  readonly life: number
  readonly at: number
  readonly what: string
}

/** What came of the last process. */
export type Outcome =
  { readonly kind: TaskEnd } | { readonly kind: 'refused'; readonly error: Error }

export class World {
  readonly plan: Plan
  readonly timeline = new Timeline(EPOCH_MS)
  readonly chance: Chance
  readonly server: SimulatedServer
  readonly files = new SimulatedFiles()
  readonly log: MemoryLog
  readonly handed = new Map<string, Handed>()
  readonly hits: Note[] = []
  readonly said: Note[] = []
  readonly #job: JobDefinition
  disk = new MemoryDisk()
  weather: Weather
  isDiskFull = false
  /** The state may have a row that cannot be read. */
  isBitFlipped = false
  /** The job has begun again with an empty state. */
  wasDeleted = false
  outcome: Outcome | undefined
  #life: Life
  #lifecycle: Lifecycle | undefined
  #connections: SimulatedConnection[] = []
  #lives = 0
  #runs = 0
  #draws = 0
  readonly #appended = new Map<string, Input>()
  #isStopWanted = false
  #armed: { readonly death: Death; readonly moment: Moment } | undefined
  /** Each takes an append to the embedded log back that is not on the disk yet. */
  readonly #unsynced = new Set<() => void>()
  /** Called between two lives. */
  onDeath: () => void = () => undefined
  /** When the last process was started, or is to be. */
  lastStartAt = EPOCH_MS
  readonly diedAt = new Map<number, number>()

  constructor(plan: Plan) {
    this.plan = plan
    this.chance = new Chance(plan.runSeed)
    this.weather = plan.weather
    this.server = new SimulatedServer(this.timeline)
    this.log = new MemoryLog({ clock: this.#worldClock() })
    this.#job = buildJob(plan.job, () => ++this.#draws)
    for (const [name] of plan.sinks) this.handed.set(name, new Handed())
    this.#life = new Life(0, this.timeline)
  }

  #worldClock() {
    const { timeline } = this
    return {
      now: () => timeline.now,
      monotonic: () => timeline.now,
      after: () => () => undefined,
      breathe: async () => undefined,
    }
  }

  get life(): Life {
    return this.#life
  }

  get task(): Task | undefined {
    return this.#lifecycle?.task
  }

  get connections(): readonly SimulatedConnection[] {
    return this.#connections
  }

  get sourceNames(): readonly string[] {
    return this.plan.job.branches.includes('join') ? ['items', 'others'] : ['items']
  }

  /** The store as the newest commit left it. */
  store(): MemoryStore {
    return new MemoryStore(this.disk)
  }

  /** How far a source is durably read. */
  positionOf(source: string): number {
    const row = this.#durableEpochRow()
    const position = row?.inputs[`${source}/0`]?.position as { sequence?: number } | undefined
    return position?.sequence ?? 0
  }

  #durableEpochRow(): EpochRow | undefined {
    const stored = this.disk.durable.meta.get('epoch')
    if (stored === undefined) return undefined
    try {
      return decodeRow(stored.value, 'the epoch row').value as EpochRow
    } catch {
      // A bit of it was flipped: nobody knows it any more.
      return undefined
    }
  }

  // ── inputs ─────────────────────────────────────────────────────────────────────────────────────

  makeSource(stream: string): void {
    if (this.plan.source === 'embedded') void this.log.createStream(stream)
    else this.server.makeStream(stream, stream.toLowerCase())
  }

  append(stream: string, messages: readonly Message[]): void {
    const kept = this.inputOf(stream)
    const first = (kept.at(-1)?.sequence ?? 0) + 1
    const added = messages.map((message, index) => ({ sequence: first + index, message }))
    this.#appended.set(stream, [...kept, ...added])
    for (const { bytes } of messages) {
      if (this.plan.source === 'embedded') void this.log.append(stream, 0, [bytes])
      else this.server.append(stream, stream.toLowerCase(), bytes)
    }
  }

  /** The number of the last message of a source's stream. */
  lastOf(stream: string): number {
    if (this.plan.source === 'embedded') return this.#appended.get(stream)?.length ?? 0
    return this.server.stream(stream).last
  }

  /** What a source's stream has, also what retention has removed. */
  inputOf(stream: string): Input {
    const appended = this.#appended.get(stream) ?? []
    const last = this.plan.source === 'embedded' ? Infinity : this.lastOf(stream)
    return appended.filter(({ sequence }) => sequence <= last)
  }

  // ── processes ──────────────────────────────────────────────────────────────────────────────────

  start(): void {
    const number = ++this.#lives
    const life = new Life(number, this.timeline)
    this.#life = life
    this.timeline.note(`${number}: begins`)
    const lifecycle = new Lifecycle({
      open: () => this.#open(life),
      restart: RESTART,
      clock: life.clock,
      onRestart: (error) => this.#say(life, `starts again: ${String(error)}`),
      onStoppedWhileAway: (error) => this.#say(life, `stops while it opens: ${String(error)}`),
    })
    this.#lifecycle = lifecycle
    lifecycle.run().then(
      (end) => this.#ended(life, end),
      (error: unknown) =>
        this.#failed(life, error instanceof Error ? error : new Error(String(error))),
    )
  }

  #say(life: Life, what: string): void {
    if (!life.isAlive) return
    // Names of consumers are drawn in the code, and others in each run.
    const named = what.replace(/(CONSUMER\.\w+\.[\w-]+)\.[\w-]+/, '$1.(its name)')
    this.timeline.note(`${life.number} says: ${named}`)
    this.said.push({ life: life.number, at: this.timeline.now, what })
  }

  #hit(life: Life, what: string): void {
    this.timeline.note(`fault: ${what}`)
    this.hits.push({ life: life.number, at: this.timeline.now, what })
  }

  #ended(life: Life, end: TaskEnd): void {
    if (!life.isAlive) return
    this.timeline.note(`${life.number}: ${end}`)
    life.die()
    if (end === 'finished' || this.#isStopWanted) this.outcome = { kind: end }
    else this.#startLater()
  }

  #failed(life: Life, error: Error): void {
    if (!life.isAlive) return
    this.#say(life, `fails: ${error.name}: ${error.message}`)
    life.die()
    // Whatever supervises it starts it again while something outside is away.
    if (error instanceof UnavailableError) this.#startLater()
    else this.outcome = { kind: 'refused', error }
  }

  #startLater(): void {
    // Now and then it is away for longer than a server remembers message ids.
    const isLong = this.weather !== CALM && this.chance.is(0.03)
    const delayMs = isLong ? 130_000 + this.chance.below(100_000) : this.chance.below(300)
    this.lastStartAt = this.timeline.now + delayMs
    this.timeline.after(delayMs, 'a process starts', () => this.start())
  }

  /** The process that lives now dies, and another one starts. */
  die(death: Death): void {
    const life = this.#life
    if (!life.isAlive) return
    this.timeline.note(`${life.number}: dies of a ${death.kind}`)
    life.die()
    this.diedAt.set(life.number, this.timeline.now)
    this.#connections = []
    this.disk = this.disk.copy()
    if (death.kind === 'power loss') {
      this.disk.losePower(death.keeps)
      this.files.losePower(this.chance)
      for (const takeBack of this.#unsynced) if (this.chance.is(0.5)) takeBack()
    }
    this.#unsynced.clear()
    this.onDeath()
    this.#startLater()
  }

  dieAt(death: Death, moment: Moment): void {
    this.#armed = { death, moment }
  }

  dieAtEvent(death: Death, event: number): void {
    const life = this.#life
    life.dieNow = () => this.die(death)
    life.diesAtEvent = event
  }

  /** No more deaths come. */
  disarm(): void {
    this.#armed = undefined
    this.#life.diesAtEvent = Number.POSITIVE_INFINITY
  }

  #atMoment(life: Life, moment: Moment): void {
    if (!life.isAlive) return
    this.timeline.note(`${life.number}: ${moment}`)
    const armed = this.#armed
    if (armed?.moment !== moment) return
    this.#armed = undefined
    this.die(armed.death)
  }

  /** Its state is gone, and nobody knows what had left. */
  deleteState(): void {
    this.die({ kind: 'kill' })
    this.disk = new MemoryDisk()
    this.wasDeleted = true
    for (const handed of this.handed.values()) handed.messages.length = 0
  }

  /** Takes a cut of the running task: what it shows has to be durable (I3). */
  cut(): void {
    const { life } = this
    if (!life.isAlive) return
    const seen = (cut: Cut): void => {
      const row = cut.view.get('meta', Buffer.from('epoch'))
      const durable = this.disk.durable.meta.get('epoch')?.value
      cut.view.close()
      ensure(
        row !== undefined && durable !== undefined && Buffer.compare(row, durable) === 0,
        `I3: a cut of epoch ${cut.epoch} shows what is not durable`,
      )
    }
    // A task that ends has no more cuts; that is no fault.
    this.task?.cut().then(seen, (error: unknown) => this.#say(life, String(error)))
  }

  /** Ends the process in order. @param isLast whether no other one follows. */
  stop({ isLast }: { readonly isLast: boolean }): void {
    this.#isStopWanted ||= isLast
    this.#lifecycle?.stop()
  }

  // ── what a process is made of ──────────────────────────────────────────────────────────────────

  async #open(life: Life): Promise<Task> {
    const { plan } = this
    const settings = plan.settings[life.number % plan.settings.length] as Settings
    for (const connection of this.#connections.splice(0)) connection.abandon()
    const store = new CheckedStore({
      disk: this.disk,
      life,
      chance: this.chance,
      weather: () => this.weather,
      isFull: () => this.isDiskFull,
      onFault: (kind) => this.#hit(life, kind),
    })
    const sinks = new Map(
      plan.sinks.map(([name, kind], destination) => [
        name,
        this.#checked(this.#sinkOf(life, name, kind, settings), { life, name, destination }),
      ]),
    )
    const deadLetter = sinks.get(DEAD_LETTER_SINK) as Sink
    sinks.delete(DEAD_LETTER_SINK)
    return await openTask({
      graph: this.#job.graph,
      store,
      clock: life.clock,
      newRun: () => `run-${++this.#runs}`,
      sources: await this.#sources(life, settings),
      sinks,
      tables: new Map(plan.job.branches.includes('newest') ? [['newest', 'key']] : []),
      deadLetter,
      policyOf: () => 'fail',
      cache: { entriesMax: settings.cacheEntriesMax, bytesMax: CACHE_BYTES_MAX },
      commit: {
        everyMs: settings.commitEveryMs,
        recordsMax: settings.commitRecordsMax,
        bytesMax: COMMIT_BYTES_MAX,
      },
      outboxBytesMax: settings.outboxBytesMax,
      onRetry: (message) => this.#say(life, message),
      onMoment: (moment) => this.#atMoment(life, moment),
    })
  }

  #connection(life: Life, mayBeVeryLate: boolean): SimulatedConnection {
    const connection = new SimulatedConnection({
      server: this.server,
      timeline: this.timeline,
      life,
      chance: this.chance,
      weather: () => this.weather,
      onFault: (kind) => this.#hit(life, kind),
      mayBeVeryLate,
    })
    this.#connections.push(connection)
    return connection
  }

  #mortalLog(life: Life): MortalLog {
    return new MortalLog({
      log: this.log,
      life,
      chance: this.chance,
      weather: () => this.weather,
      onFault: (kind) => this.#hit(life, kind),
      unsynced: this.#unsynced,
    })
  }

  async #sources(life: Life, settings: Settings): Promise<Map<string, TaskSource>> {
    const { mode, outOfOrderMs, source: kind } = this.plan
    const eventTime: EventTimeOptions = {
      of: ({ t }: { t: number }) => t,
      progressive: mode !== 'batch',
      outOfOrderMs,
      idleAfterMs: Number.POSITIVE_INFINITY,
      ...EVENT_TIME_LIMITS,
    } as EventTimeOptions
    const sources = new Map<string, TaskSource>()
    for (const name of this.sourceNames) {
      const log =
        kind === 'embedded'
          ? this.#mortalLog(life)
          : await JetStreamLog.open({
              connection: this.#connection(life, false),
              clock: life.clock,
              timeoutMs: REQUEST_TIMEOUT_MS,
              batchMessagesMax: settings.batchMessagesMax,
            })
      const source = logSource({
        log,
        stream: name.toUpperCase(),
        name,
        decode: decodeJson,
        to: mode === 'live' ? undefined : 'now',
        clock: life.clock,
        onRetry: (message) => this.#say(life, message),
      })
      sources.set(name, { source, eventTime })
    }
    return sources
  }

  #checked(
    sink: Sink,
    at: { readonly life: Life; readonly name: string; readonly destination: number },
  ): Sink {
    const handed = this.handed.get(at.name) as Handed
    return new CheckedSink({ ...at, sink, handed, disk: () => this.disk })
  }

  #sinkOf(life: Life, name: string, kind: SinkKind, { windowMax }: Settings): Sink {
    const stream = streamOf(name)
    const options = (mayBeVeryLate: boolean) => ({
      connection: this.#connection(life, mayBeVeryLate),
      clock: life.clock,
      timeoutMs: REQUEST_TIMEOUT_MS,
      stream,
      subject: subjectOf(name),
      windowMax,
    })
    switch (kind) {
      case 'own':
        return new JetStreamSink(options(true))
      case 'shared':
        return new JetStreamSharedSink(options(false))
      case 'chained':
        return new JetStreamSharedSink({ ...options(true), chained: true })
      case 'embedded':
        return new EmbeddedSink({ log: this.#mortalLog(life), stream })
      case 'file':
        return new FileSink({
          path: pathOf(name),
          format: 'jsonl',
          overwrite: false,
          files: this.files.of({
            life,
            chance: this.chance,
            weather: () => this.weather,
            onFault: (what) => this.#hit(life, what),
          }),
        })
    }
  }

  /** Everything is as it should be from now on. */
  heal(): void {
    this.timeline.note('healed')
    this.weather = CALM
    this.isDiskFull = false
    this.disarm()
    this.#life.wallOffsetMs = 0
    if (this.server.isAway) this.server.comeBack()
    for (const connection of this.#connections) connection.clear()
  }
}

export const streamOf = (sink: string): string => `OUT-${sink.replace(/[^\w-]/g, '')}`
export const subjectOf = (sink: string): string => `out.${sink.replace(/[^\w-]/g, '')}`
export const pathOf = (sink: string): string => `/out/${sink}.jsonl`
