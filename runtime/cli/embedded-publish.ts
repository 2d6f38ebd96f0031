/** Publishes into a stream of the embedded log; made when it is not there. */
import type { AppendableLog } from '../log/appendable-log.ts'
import type { Publisher } from './publisher.ts'

/**
 * The log is closed with the publisher.
 * @throws ConfigError when the stream has several partitions: records of a file have no key.
 */
export async function openEmbeddedPublisher(
  log: AppendableLog,
  { stream, folder }: { readonly stream: string; readonly folder: string },
): Promise<Publisher> {
  try {
    await log.createStream(stream, { partitions: 1 })
  } catch (error) {
    await log.close()
    throw error
  }
  return {
    where: `embedded stream ${stream} in ${folder}`,
    append: async (messages) => {
      await log.append(stream, 0, messages)
    },
    close: () => log.close(),
  }
}
