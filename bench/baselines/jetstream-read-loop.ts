import { BareJetStream } from './bare-jetstream.ts'

/** Reads a stream as fast as one client can and parses each message's JSON. */
export async function jetStreamReadLoop(url: string, stream: string): Promise<number> {
  const jetStream = await BareJetStream.connect(url)
  let sum = 0
  const records = await jetStream.readAll(stream, ({ data }) => {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()
    sum += (JSON.parse(text) as { rating: number }).rating
  })
  await jetStream.close()
  if (!(sum > 0)) throw new Error(`stream ${stream} holds no ratings`)
  return records
}
