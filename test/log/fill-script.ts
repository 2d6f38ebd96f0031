/** Appends to an embedded log until it is refused several times, and prints what came of it: `folder`. */
import { reasonOf, UnavailableError } from '../../runtime/errors.ts'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'

async function main(folder: string): Promise<void> {
  const log = await EmbeddedLog.open(folder)
  await log.createStream('s')
  const outcome = { taken: 0, refused: 0, other: '' }
  while (outcome.refused < 5 && outcome.taken < 1_000) {
    try {
      await log.append('s', 0, [Buffer.alloc(100_000, outcome.taken), Buffer.from('end')])
      outcome.taken++
    } catch (error) {
      if (error instanceof UnavailableError) outcome.refused++
      else outcome.other = reasonOf(error)
    }
  }
  const { last } = await log.inspect('s', 0)
  await log.close()
  process.stdout.write(JSON.stringify({ ...outcome, last }))
}

void main(process.argv[2] ?? '')
