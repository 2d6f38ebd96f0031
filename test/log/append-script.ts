/**
 * Appends numbered batches to an embedded log and prints the number of each that was taken:
 * `folder stream partition writer batches batchLength`.
 */
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'

const [folder = '', stream = '', partition = '0', writer = '', batches = '0', length = '1'] =
  process.argv.slice(2)

async function main(): Promise<void> {
  const log = await EmbeddedLog.open(folder)
  const id = `writer-${writer}`
  const number = await log.producerNumber(stream, Number(partition), id)
  const batchLength = Number(length)
  const appendBatch = async (batch: number): Promise<void> => {
    const firstNumber = number + batch * batchLength + 1
    const messages = Array.from({ length: batchLength }, (_, index) =>
      Buffer.from(`${writer}:${firstNumber + index}`),
    )
    await log.append(stream, Number(partition), messages, { id, firstNumber })
    process.stdout.write(`${firstNumber + batchLength - 1}\n`)
  }
  // Two at a time, so that appends share transactions.
  for (let batch = 0; batch < Number(batches); batch += 2) {
    await Promise.all([appendBatch(batch), appendBatch(batch + 1)])
  }
  await log.close()
}

void main()
