/** A job between two streams of a server of its own, run by the built command. */
import { expect } from 'vitest'
import { Admin, until } from '../support/jetstream.ts'
import { NatsServer } from '../support/nats-server.ts'
import { JobFolder, type JobProcess, records, results } from './job-process.ts'

export { until }

/** The administrator needs no name; the others may do everything but one thing. */
const USERS = `no_auth_user: admin
authorization: { users: [
  { user: admin, password: secret }
  { user: blind, password: secret, permissions: { publish: { deny: ["$JS.API.CONSUMER.>"] } } }
  { user: mute, password: secret, permissions: { publish: { deny: ["OUT"] } } }
] }`

export const manifestOf = (servers: string): string => `job: ./job.js
sources:
  seen:
    jetstream: { stream: SEEN, servers: '${servers}' }
    eventTime: { field: at, unit: s, order: ordered }
sinks:
  out:
    jetstream: { stream: OUT, servers: '${servers}' }
`

export class NatsJob {
  readonly server: NatsServer
  readonly admin: Admin
  readonly folder: JobFolder

  private constructor(server: NatsServer, admin: Admin) {
    this.server = server
    this.admin = admin
    this.folder = new JobFolder(manifestOf(server.url))
  }

  static async open(): Promise<NatsJob> {
    const server = await NatsServer.start({ config: USERS })
    return new NatsJob(server, await Admin.open(server))
  }

  async push(from: number, to: number): Promise<void> {
    await this.admin.appendTexts('seen', records(from, to))
  }

  /** Waits until there are so many results. */
  async outputs(count: number): Promise<void> {
    const areThere = async (): Promise<boolean> =>
      (await this.admin.lastSequence('OUT').catch(() => 0)) >= count
    await until(areThere, `${count} results`)
  }

  /** Stops it, and sees that each result is there once. */
  async stopWith(run: JobProcess, count: number): Promise<void> {
    await this.outputs(count)
    run.child.kill('SIGTERM')
    expect(await run.ended, run.output()).toBe(0)
    expect(await this.admin.texts('OUT')).toEqual(results(count))
  }

  /** Started once more it ends with this. */
  async refused(code: number, message: RegExp): Promise<void> {
    const run = await this.folder.run()
    expect(run.code, run.output).toBe(code)
    expect(run.output.replaceAll(/\s+/g, ' ')).toMatch(message)
  }

  /** It has read so many records, and was stopped. */
  async ranOnce(count: number): Promise<void> {
    await this.admin.makeStream('SEEN')
    await this.push(1, count)
    await this.stopWith(this.folder.start(), count)
  }

  async close(): Promise<void> {
    this.folder.remove()
    await this.admin.close()
    await this.server.remove()
  }
}
