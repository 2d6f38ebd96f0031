/** Reads messages of an embedded log as they come and prints them: `folder stream partition count`. */
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'

const [folder = '', stream = '', partition = '0', count = '0'] = process.argv.slice(2)

async function main(): Promise<void> {
  const log = await EmbeddedLog.open(folder)
  const reader = await log.read(stream, Number(partition), 0)
  let read = 0
  while (read < Number(count)) {
    const batch = reader.poll()
    if (batch === undefined) {
      await reader.ready()
      continue
    }
    const lines = batch.messages.map(
      ({ sequence, data }) => `${sequence} ${Buffer.from(data).toString()}`,
    )
    process.stdout.write(`${lines.join('\n')}\n`)
    read += batch.messages.length
  }
  await log.close()
}

void main()
