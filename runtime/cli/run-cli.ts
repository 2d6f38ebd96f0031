/**
 * The command line: what commands and flags there are, and what becomes of errors. A command's code is
 * loaded when it is asked for, so that none waits for what another needs.
 */
import { fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { LOG_DIR_DEFAULT } from '../../config/defaults.ts'
import { FILE_FORMATS } from '../../config/file-format.ts'
import type { FileFormat } from '../../config/file-format.ts'
import { ConfigError } from '../errors.ts'
import { ownFile, packageRoot } from '../package-files.ts'
import { EXIT, EXIT_CODES_HELP, exitCodeOf } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { CliIo } from './io.ts'
import { LOG_LEVELS } from './log-level.ts'
import type { LogLevel } from './log-level.ts'
import type { ExplainFlags } from './explain.ts'
import type { ParityFlags } from './check-parity.ts'
import type { MigrateFlags } from './migrate.ts'
import type { PlanFlags } from './plan.ts'
import { errorText } from './print-error.ts'
import type { PublisherOptions } from './publisher.ts'
import type { RunFlags } from './run.ts'
import type { CliServices } from './services.ts'
import type { ScanFlags } from './state.ts'
import type { StatusFlags } from './status.ts'
import type { StopFlags } from './stop.ts'
import type { TargetFlags } from './target.ts'

/** Where a command leaves the exit code it came to. */
interface Outcome {
  code: ExitCode
}

interface Context {
  readonly io: CliIo
  readonly services: CliServices
  readonly outcome: Outcome
}

/** Runs one command; never throws, errors are printed and become the exit code. */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  services: CliServices,
): Promise<ExitCode> {
  const outcome: Outcome = { code: EXIT.ok }
  try {
    const program = await buildProgram({ io, services, outcome })
    await program.parseAsync(argv, { from: 'user' })
    return outcome.code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.configuration
    io.err(errorText(error, { trace: argv.includes('--trace') }))
    return exitCodeOf(error)
  }
}

async function buildProgram(context: Context): Promise<Command> {
  const program = new Command('millrace')
    .description('A stateful stream runtime for TypeScript.')
    .version(await ownVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.io.out(text),
      writeErr: (text) => context.io.err(text),
    })
    .showSuggestionAfterError()
    .addHelpText('after', EXIT_CODES_HELP)
  const add = (name: string, what: string): Command =>
    program
      .command(name)
      .description(what)
      .option('--trace', 'print the stack of an error')
      .copyInheritedSettings(program)
  addRun(add, context)
  addDev(add, context)
  addChecks(add, context)
  addStatus(add, context)
  addPublish(add, context)
  addState(program, context)
  addSnapshot(program, context)
  addExplain(program, context)
  addCheck(program, context)
  return program
}

type AddCommand = (name: string, what: string) => Command

/** Where states are, unless a manifest or a flag says otherwise. */
const STATES_DEFAULT = '.millrace'
const JOB = 'a manifest (YAML or JSON) or a state folder'
const collect = (value: string, list: readonly string[]): readonly string[] => [...list, value]

/** Flags of every command that is pointed at a job. */
function withTarget(command: Command): Command {
  return command
    .option('--set <a.b.c=value>', 'override a field of the manifest; repeatable', collect, [])
    .option('--state <dir>', 'folder of the state')
}

const logLevel = (): Option =>
  new Option('--log-level <level>', 'what is logged, on stderr').choices(LOG_LEVELS).default('warn')

function addRun(add: AddCommand, { io, services, outcome }: Context): void {
  withTarget(add('run <job>', `run a job; <job> is ${JOB}`))
    .addOption(
      new Option('--mode <mode>', 'go on for ever, or end at the end').choices(['live', 'batch']),
    )
    .option(
      '--from <[source=]place>',
      "where a fresh state begins in a stream: a sequence, a time of the log (a date, or 1769848200000ms), 'start', 'now'; repeatable",
      collect,
      [],
    )
    .option(
      '--to <[source=]place>',
      "where a batch ends: with a sequence, before a time of the log, or 'now' (the end of the stream when the batch begins); repeatable",
      collect,
      [],
    )
    .addOption(
      new Option('--then <mode>', 'behind a batch: go on live from exactly there').choices([
        'live',
      ]),
    )
    .option('--speed <speed>', "of a batch: as in 10x of the records' event time, or 'max'")
    .option('--overwrite', 'let a fresh state replace output files that are there')
    .option(
      '--restore <snapshot>',
      "where a folder without a state starts: 'latest', an id, 'none'",
    )
    .option('--as <job>', "go on from another job's snapshot, as this job")
    .addOption(
      new Option('--results <what>', 'of results that are out and not in the snapshot').choices([
        'resume',
        'again',
      ]),
    )
    .option(
      '--drop-state <name>',
      'an operator, source or sink whose part of the state is no longer wanted; repeatable',
      collect,
      [],
    )
    .option('--quiet', 'no progress and no summary')
    .addOption(logLevel())
    .addOption(new Option('--report-imports').hideHelp())
    .action(async (job: string, flags: RunFlags) => {
      const { run } = await import('./run.ts')
      outcome.code = await run(io, services, job, flags)
    })
}

function addDev(add: AddCommand, { io, outcome }: Context): void {
  withTarget(
    add('dev <job>', 'run a job live and start it again when its code changes; keeps state'),
  )
    .option('--quiet', 'no progress and no summary')
    .addOption(logLevel())
    .action(async (job: string, flags: DevOptions) => {
      const { dev } = await import('./dev.ts')
      outcome.code = await dev(io, job, { start: startRun, runArguments: runArguments(flags) })
    })
}

interface DevOptions {
  readonly set: readonly string[]
  readonly state?: string
  readonly quiet?: boolean
  readonly trace?: boolean
  readonly logLevel: LogLevel
}

function runArguments({ set, state, quiet, trace, logLevel: level }: DevOptions): string[] {
  return [
    ...set.flatMap((setting) => ['--set', setting]),
    ...(state === undefined ? [] : ['--state', state]),
    ...(quiet === true ? ['--quiet'] : []),
    ...(trace === true ? ['--trace'] : []),
    '--log-level',
    level,
  ]
}

/** In a group of its own: a terminal's Ctrl-C reaches dev alone, which passes it on once. */
function startRun(args: readonly string[]): ReturnType<typeof fork> {
  return fork(ownFile('runtime/cli/main'), args, { detached: true })
}

function addChecks(add: AddCommand, { io, services, outcome }: Context): void {
  withTarget(add('validate <job>', 'check a job without starting it')).action(
    async (job: string, flags: TargetFlags) => {
      const { validate } = await import('./validate.ts')
      outcome.code = await validate(io, job, flags)
    },
  )
  withTarget(add('plan <job>', "print a job's graph"))
    .option('--json', 'as JSON')
    .action(async (job: string, flags: PlanFlags) => {
      const { plan } = await import('./plan.ts')
      outcome.code = await plan(io, job, flags)
    })
  withTarget(
    add('migrate <job>', "bring all keys of a state to the versions of the job's operators"),
  )
    .option('--dry-run', 'only say which keys cannot be brought over')
    .action(async (job: string, flags: MigrateFlags) => {
      const { migrate } = await import('./migrate.ts')
      outcome.code = await migrate(io, job, flags)
    })
  withTarget(add('doctor [job]', 'look for what would keep a job from running here')).action(
    async (job: string | undefined, flags: TargetFlags) => {
      const { doctor } = await import('./doctor.ts')
      outcome.code = await doctor(io, services, job, flags)
    },
  )
}

function addStatus(add: AddCommand, { io, outcome }: Context): void {
  withTarget(add('stop <job>', `end a running job; <job> is ${JOB}`))
    .option('--snapshot', 'take a snapshot of what it leaves')
    .option('--drain', 'read no further, deliver all that is on its way, and take a snapshot')
    .action(async (job: string, flags: StopFlags) => {
      const { stop } = await import('./stop.ts')
      outcome.code = await stop(io, job, flags)
    })
  withTarget(add('status <job>', `say how a job stands, running or not; <job> is ${JOB}`))
    .option('--json', 'as JSON')
    .action(async (job: string, flags: StatusFlags) => {
      const { status } = await import('./status.ts')
      outcome.code = await status(io, job, flags)
    })
  add('ls [folder]', 'list the jobs whose states are in a folder; default: .millrace')
    .option('--json', 'as JSON, a line each')
    .action(async (folder: string | undefined, flags: { readonly json?: boolean }) => {
      const { ls } = await import('./status.ts')
      outcome.code = await ls(io, folder ?? STATES_DEFAULT, flags)
    })
}

interface PublishOptions {
  readonly to: 'embedded' | 'jetstream'
  readonly stream: string
  readonly log: string
  readonly servers: string
  readonly credentials?: string
  readonly subject?: string
  readonly orderBy?: string
  readonly speed: number | 'max'
  readonly unit: 's' | 'ms'
  readonly format?: FileFormat
  readonly text: readonly string[]
  readonly quiet?: boolean
}

function addPublish(add: AddCommand, { io, services, outcome }: Context): void {
  add('publish <file>', 'put the records of a CSV or JSONL file (.gz too) into a stream')
    .addOption(
      new Option('--to <kind>', 'which log')
        .choices(['embedded', 'jetstream'])
        .makeOptionMandatory(),
    )
    .requiredOption('--stream <name>', 'the stream; made when it is not there')
    .option('--log <dir>', 'folder of the embedded log', LOG_DIR_DEFAULT)
    .option('--servers <urls>', 'NATS servers, commas between them', 'nats://127.0.0.1:4222')
    .option('--credentials <file>', 'NATS credentials')
    .option('--subject <subject>', "subject of the messages; default: the stream's")
    .option('--order-by <field>', 'sort by a numeric field first (stable, in memory)')
    .option(
      '--speed <speed>',
      "pace by that field, as in 100x; 'max': as fast as it goes",
      speed,
      'max',
    )
    .addOption(new Option('--unit <unit>', 'of that field').choices(['s', 'ms']).default('s'))
    .addOption(new Option('--format <format>', 'default: by the extension').choices(FILE_FORMATS))
    .option('--text <column>', 'a CSV column that stays text; repeatable', collect, [])
    .option('--quiet', 'no progress and no summary')
    .action(async (file: string, { text, ...flags }: PublishOptions) => {
      const to = publisherOf(io, flags)
      const { publish } = await import('./publish.ts')
      outcome.code = await publish(io, services, file, { ...flags, to, textColumns: text })
    })
}

function publisherOf(
  io: CliIo,
  { to, stream, log, servers, credentials, subject }: Omit<PublishOptions, 'text'>,
): PublisherOptions {
  if (!/^[^\s.*>/\\]+$/.test(stream)) {
    throw new ConfigError(
      `--stream '${stream}' is not a stream name; leave out spaces and . * > / \\`,
    )
  }
  return to === 'embedded'
    ? { kind: to, stream, log: resolve(io.workingDir, log) }
    : { kind: to, stream, servers, credentials, subject }
}

function speed(written: string): number | 'max' {
  if (written === 'max') return written
  const times = Number(/^(\d+(?:\.\d+)?)x?$/.exec(written)?.[1] ?? Number.NaN)
  if (times > 0 && Number.isFinite(times)) return times
  throw new InvalidArgumentError('Write it as in 1x, 100x or max.')
}

function addState(program: Command, { io, services, outcome }: Context): void {
  const state = program
    .command('state')
    .description("look into a job's state, also while it runs")
    .copyInheritedSettings(program)
  const add = (name: string, what: string): Command =>
    withTarget(
      state
        .command(name)
        .description(`${what}; <job> is ${JOB}`)
        .option('--trace', 'print the stack of an error')
        .copyInheritedSettings(program),
    )
  add(
    'get <job> <operator> <key>',
    'print the state of one key; tables are named like their sinks',
  ).action(async (job: string, operator: string, key: string, flags: TargetFlags) => {
    const { stateGet } = await import('./state.ts')
    outcome.code = await stateGet(io, services, job, { operator, key }, flags)
  })
  add('scan <job> <operator>', 'print the state of some keys')
    .option('--limit <n>', 'at most so many', wholeNumber, 20)
    .action(async (job: string, operator: string, flags: ScanFlags) => {
      const { stateScan } = await import('./state.ts')
      outcome.code = await stateScan(io, services, job, operator, flags)
    })
}

function addExplain(program: Command, { io, outcome }: Context): void {
  const explain = program
    .command('explain')
    .description('say why a job does not do what one waits for')
    .copyInheritedSettings(program)
  withTarget(
    explain
      .command('window <job> <operator> <key> <time>')
      .description(
        `say why a window has not fired, also while the job runs; <job> is ${JOB}, <key> is '' for windows over all keys, <time> any time inside the window: milliseconds since 1970, or a date`,
      )
      .option('--trace', 'print the stack of an error')
      .copyInheritedSettings(program),
  )
    .option('--json', 'as JSON')
    .action(async (...[job, operator, key, time, flags]: ExplainAction) => {
      const { explainCommand } = await import('./explain.ts')
      outcome.code = await explainCommand(io, job, { operator, key, time }, flags)
    })
}

function addCheck(program: Command, { io, outcome }: Context): void {
  const check = program
    .command('check')
    .description('try out whether a job keeps what is promised of it')
    .copyInheritedSettings(program)
  withTarget(
    check
      .command('parity <job>')
      .description(
        `run a job on some records of its sources in several ways, and compare the results; <job> is ${JOB}. Nothing is written but to memory.`,
      )
      .option('--trace', 'print the stack of an error')
      .copyInheritedSettings(program),
  )
    .option('--records <n>', 'so many of each source', wholeNumber, 5_000)
    .option('--rounds <n>', 'how often each way is tried', wholeNumber, 3)
    .option('--seed <n>', 'of what is drawn at random; default: another each time', wholeNumber)
    .action(async (job: string, flags: ParityFlags) => {
      const { checkParityCommand } = await import('./check-parity.ts')
      outcome.code = await checkParityCommand(io, job, flags)
    })
}

type ExplainAction = [job: string, operator: string, key: string, time: string, flags: ExplainFlags]

function addSnapshot(program: Command, { io, outcome }: Context): void {
  const group = program
    .command('snapshot')
    .description('take, show, check, copy and remove snapshots of a job')
    .copyInheritedSettings(program)
  const add = (name: string, what: string): Command =>
    withTarget(
      group
        .command(name)
        .description(`${what}; <job> is ${JOB}`)
        .option('--trace', 'print the stack of an error')
        .copyInheritedSettings(program),
    )
  add('create <job>', 'take one now, also while the job runs').action(
    async (job: string, flags: TargetFlags) => {
      const { snapshotCreate } = await import('./snapshot.ts')
      outcome.code = await snapshotCreate(io, job, flags)
    },
  )
  add('ls <job>', 'list them, the newest first').action(async (job: string, flags: TargetFlags) => {
    const { snapshotLs } = await import('./snapshot.ts')
    outcome.code = await snapshotLs(io, job, flags)
  })
  add('inspect <job> <id>', "print what one says about itself; <id> may be 'latest'").action(
    async (job: string, id: string, flags: TargetFlags) => {
      const { snapshotInspect } = await import('./snapshot.ts')
      outcome.code = await snapshotInspect(io, job, id, flags)
    },
  )
  add('verify <job> [id]', 'check every part of one, or of all').action(
    async (job: string, id: string | undefined, flags: TargetFlags) => {
      const { snapshotVerify } = await import('./snapshot.ts')
      outcome.code = await snapshotVerify(io, job, id, flags)
    },
  )
  add('rm <job> <id>', 'remove one').action(async (job: string, id: string, flags: TargetFlags) => {
    const { snapshotRm } = await import('./snapshot.ts')
    outcome.code = await snapshotRm(io, job, id, flags)
  })
  add('copy <job> <id>', 'copy one to another folder')
    .requiredOption('--to <dir>', 'the folder')
    .action(async (job: string, id: string, flags: TargetFlags & { readonly to: string }) => {
      const { snapshotCopy } = await import('./snapshot.ts')
      outcome.code = await snapshotCopy(io, job, id, flags)
    })
}

function wholeNumber(written: string): number {
  const number = Number(written)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new InvalidArgumentError('Write a whole number above 0.')
}

async function ownVersion(): Promise<string> {
  const text = await readFile(join(packageRoot, 'package.json'), 'utf8')
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown'
}
