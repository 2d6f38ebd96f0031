import { readFileSync } from 'node:fs'
import { BareJetStream } from './bare-jetstream.ts'

const NEWLINE = 10

/** Publishes each line of a file as a message, chained; `target` is `<url> <stream>`. */
export async function jetStreamPublishLoop(path: string, target: string): Promise<number> {
  const [url = '', stream = ''] = target.split(' ')
  const bytes = readFileSync(path)
  const messages: Uint8Array[] = []
  for (let start = 0, end = 0; (end = bytes.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
    messages.push(bytes.subarray(start, end))
  }
  const jetStream = await BareJetStream.connect(url)
  await jetStream.makeStream(stream)
  await jetStream.publishChained(stream, messages)
  await jetStream.close()
  return messages.length
}
