/** The parts of the runtime that commands start; tests put others in their place. */
import type { StateReader } from '../state/read-state.ts'
import type { Finding, NatsCheckOptions } from '../job/doctor-nats.ts'
import type { Publisher, PublisherOptions } from './publisher.ts'
import type { RunningJob, RunOptions } from './running-job.ts'

export interface CliServices {
  /** Loads the code that startJob needs, while the manifest and the job's module are loaded. */
  preload(): Promise<void>
  startJob(options: RunOptions): Promise<RunningJob>
  openStateReader(stateDir: string): Promise<StateReader>
  checkNats(options: NatsCheckOptions): Promise<readonly Finding[]>
  openPublisher(options: PublisherOptions): Promise<Publisher>
}
