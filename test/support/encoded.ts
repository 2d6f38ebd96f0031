import { ByteWriter } from '../../runtime/task/byte-writer.ts'
import type { Sink } from '../../runtime/sink/sink.ts'

/** The text of one result as a sink encodes it. */
export function encoded(sink: Pick<Sink, 'encode'>, value: unknown): string {
  const out = new ByteWriter()
  sink.encode(out, value, 0, undefined)
  return Buffer.from(out.take()).toString('utf8')
}
