/** `npm run demo`: nothing else has to be installed, and nothing but .millrace/demo is written. */
import { dirname, join } from 'node:path'
import { existsSync } from 'node:fs'
import { exitCodeOf } from '../runtime/cli/exit-codes.ts'
import { processIo } from '../runtime/cli/io.ts'
import { errorText } from '../runtime/cli/print-error.ts'
import { runDemo } from './demo.ts'

const RATINGS = 100_000
const RATINGS_PER_SECOND = 20_000

const io = await processIo()
try {
  const root = rootAbove(import.meta.dirname)
  process.exitCode = await runDemo(io, {
    root,
    ratings: RATINGS,
    ratingsPerSecond: RATINGS_PER_SECOND,
  })
} catch (error) {
  io.err(errorText(error, { trace: process.argv.includes('--trace') }))
  process.exitCode = exitCodeOf(error)
}

/** The project's folder, whether this file runs as TypeScript or was built into dist. */
function rootAbove(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootAbove(dirname(folder))
}
