#!/usr/bin/env node
/** The `millrace` command. */
import { EXIT } from './exit-codes.ts'
import { messagesSent, processIo } from './io.ts'
import { realServices } from './real-services.ts'
import { runCli } from './run-cli.ts'

// A pipe behind the command that has seen enough, as in `| head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.unexpected)
})

const code = await runCli(process.argv.slice(2), await processIo(), realServices)
await messagesSent()
// Whatever a job's own modules have left open must not keep the process.
process.exit(code)
