/** Row 2's results to a JetStream stream of the job's own, against a client that publishes the same. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { NatsServer } from '../../test/support/nats-server.ts'
import { BareJetStream } from '../baselines/bare-jetstream.ts'
import { secondLoop } from '../baselines/second-loop.ts'
import { Checksum } from '../checksum.ts'
import { compare, rowOf } from '../compare.ts'
import type { Measurement } from '../compare.ts'
import { ratingsFor } from '../file-comparison.ts'
import { ourArguments } from '../our-run.ts'
import { makeRunFolder, programArguments } from '../places.ts'
import { runChild } from '../run-child.ts'
import type { RunOptions, Row, Subject } from '../subject.ts'

const STREAM = 'BENCH_RESULTS'

export const jetStreamOut: Subject = {
  name: 'jetstream-out',
  async measure(options) {
    const server = await NatsServer.start()
    const folder = makeRunFolder()
    try {
      return [await measureInto(server.url, folder, options)]
    } finally {
      await server.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function measureInto(url: string, folder: string, options: RunOptions): Promise<Row> {
  const what = 'file → row 2 → JetStream, a chained message a result'
  const { path: input } = await ratingsFor(options.size, 500_000)
  const results = join(folder, 'results.jsonl')
  secondLoop(input, results)
  const jetStream = await BareJetStream.connect(url)
  const measure = async (args: readonly string[]): Promise<Measurement> => {
    const { seconds, peakRssAnonBytes } = await runChild(args, folder)
    const checksum = new Checksum()
    await jetStream.readAll(STREAM, ({ data }) => checksum.add(data))
    await jetStream.removeStream(STREAM)
    rmSync(join(folder, 'state'), { recursive: true, force: true })
    return { records: checksum.lines, seconds, peakRssAnonBytes, checksum: String(checksum) }
  }
  const comparison = await compare(
    what,
    {
      ours: () =>
        measure(
          ourArguments({
            manifest: 'jobs/latest-rating.yaml',
            mode: 'batch',
            stateFolder: join(folder, 'state'),
            set: {
              'sources.ratings.file.path': input,
              'sinks.latest': { jetstream: { servers: url, stream: STREAM } },
            },
          }),
        ),
      baseline: () =>
        measure(
          programArguments('baselines/main', [
            'jetstream-publish-loop',
            results,
            `${url} ${STREAM}`,
          ]),
        ),
    },
    options,
  )
  await jetStream.close()
  return rowOf(what, comparison, { ratioMin: 0.7 })
}
