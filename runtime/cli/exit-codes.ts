/** What the process says with its exit code; `millrace --help` prints this list. */
import { constants } from 'node:os'

export const EXIT = {
  ok: 0,
  unexpected: 1,
  configuration: 2,
  state: 3,
  dataLoss: 4,
  userCode: 5,
  unavailable: 6,
  killed: 128 + constants.signals.SIGINT,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The list for people. */
export const EXIT_CODES_HELP = `
Exit codes:
  ${EXIT.ok}    done, or stopped as asked
  ${EXIT.unexpected}    unexpected; run again with --trace and report it
  ${EXIT.configuration}    the manifest, the job, a flag or the environment must be changed; nothing was started
  ${EXIT.state}    the state folder cannot be used as asked: in use, of another job, damaged
  ${EXIT.dataLoss}    a source or a sink lost, or went back behind, what the job has read or written
  ${EXIT.userCode}    the job's own code failed
  ${EXIT.unavailable}    something outside stayed away, or full, longer than the restart strategy allows
  ${EXIT.killed}  ended at once by a second signal; the next run goes on from the last commit`

/** Errors by name: a job's module may throw the errors of another copy of this package. */
const CODE_OF_NAME: ReadonlyMap<string, ExitCode> = new Map([
  ['ConfigError', EXIT.configuration],
  ['StateError', EXIT.state],
  ['DataLossError', EXIT.dataLoss],
  ['UserCodeError', EXIT.userCode],
  ['UnavailableError', EXIT.unavailable],
])

/** The exit code for something that was thrown. */
export function exitCodeOf(thrown: unknown): ExitCode {
  const name = thrown instanceof Error ? thrown.name : ''
  return CODE_OF_NAME.get(name) ?? EXIT.unexpected
}
