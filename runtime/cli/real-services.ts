/** What commands start, in a real process. Loaded when a command needs it: a start is to be quick. */
import { systemClock } from '../time/clock.ts'
import type { Publisher, PublisherOptions } from './publisher.ts'
import type { CliServices } from './services.ts'

export const realServices: CliServices = {
  async preload() {
    await import('../job/run-job.ts')
  },
  async startJob(options) {
    const { startJob } = await import('../job/run-job.ts')
    return startJob(options)
  },
  async openStateReader(stateDir) {
    const { openStateReader } = await import('../state/read-state.ts')
    return openStateReader(stateDir)
  },
  async checkNats(options) {
    const { checkNats } = await import('../job/doctor-nats.ts')
    return checkNats(options)
  },
  openPublisher,
}

async function openPublisher(options: PublisherOptions): Promise<Publisher> {
  if (options.kind === 'jetstream') {
    const { openJetStreamPublisher } = await import('./jetstream-publish.ts')
    return openJetStreamPublisher(options, systemClock)
  }
  const { EmbeddedLog } = await import('../log/embedded-log.ts')
  const { openEmbeddedPublisher } = await import('./embedded-publish.ts')
  const log = await EmbeddedLog.open(options.log)
  return openEmbeddedPublisher(log, { stream: options.stream, folder: options.log })
}
