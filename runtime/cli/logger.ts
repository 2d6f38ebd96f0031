/** Logs: JSON lines on stderr, by pino; on a terminal short lines for people. */
import { createRequire } from 'node:module'
import type * as Pino from 'pino'
import type { Logger } from 'pino'
import type { RunLog } from '../job/run-context.ts'
import type { CliIo } from './io.ts'
import type { LogLevel } from './log-level.ts'
import { withoutSecrets } from './print-error.ts'

/** Fields that are never written, at the top of a line and one and two deeper. */
const SECRET_FIELDS = ['password', 'pass', 'token', 'credentials', 'authorization']

/**
 * A logger that writes to the messages of an io, above its live line if it has one. Its library is
 * loaded with the first line: a start is to be quick, and most runs have nothing to say.
 */
export function createLogger(io: CliIo, level: LogLevel): RunLog {
  let loaded: Logger | undefined
  const logger = (): Logger => (loaded ??= loadLogger(io, level))
  return {
    info: (fields, line) => logger().info(fields, line),
    warn: (fields, line) => logger().warn(fields, line),
    error: (fields, line) => logger().error(fields, line),
  }
}

function loadLogger(io: CliIo, level: LogLevel): Logger {
  const { pino } = createRequire(import.meta.url)('pino') as typeof Pino
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(io.clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
    },
    {
      write(line: string) {
        const safe = withoutSecrets(line)
        if (io.liveLine === undefined) io.err(safe)
        else io.liveLine.above(lineForPeople(safe))
      },
    },
  )
}

/** `12:00:01 warn  what happened  field=value`. */
function lineForPeople(line: string): string {
  const fields: Readonly<Record<string, unknown>> = JSON.parse(line)
  const rest = Object.entries(fields)
    .filter(([name]) => name !== 'time' && name !== 'level' && name !== 'msg')
    .map(([name, value]) => `${name}=${shown(value)}`)
  const { time, level, msg } = fields
  const at = typeof time === 'string' ? time.slice(11, 19) : ''
  const words = [at, shown(level).padEnd(5), typeof msg === 'string' ? msg : '', ...rest]
  return words.filter((word) => word !== '').join(' ')
}

const shown = (value: unknown): string =>
  typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)
