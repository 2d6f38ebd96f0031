/** The parts of the runtime that commands start; tests put others in their place. */
import type { Key } from '../../operators/operator.ts'
import type { JetStreamOptions } from '../log/jetstream-connection.ts'
import type { Publisher, PublisherOptions } from './publisher.ts'
import type { RunningJob, RunOptions } from './running-job.ts'

export interface CliServices {
  startJob(options: RunOptions): RunningJob
  openStateReader(stateDir: string): Promise<StateReader>
  checkNats(options: JetStreamOptions): Promise<readonly Finding[]>
  openPublisher(options: PublisherOptions): Promise<Publisher>
}

/** STUB until runtime/state/read-state.ts is there. */
export interface StateEntry {
  readonly key: Key
  readonly cells: Readonly<Record<string, unknown>>
  readonly epoch: number
}

export interface StateReader {
  readonly epoch: number
  operators(): readonly string[]
  get(operator: string, key: Key): Promise<StateEntry | undefined>
  scan(operator: string, options: { readonly limit: number }): AsyncIterable<StateEntry>
  close(): Promise<void>
}

/** STUB until runtime/job/doctor-nats.ts is there. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem'
  readonly what: string
  readonly todo?: string
}
