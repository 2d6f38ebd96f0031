/** What a run came to, and what one may do next. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import type { JobSummary } from './running-job.ts'
import { boundText, counted, grouped, lasted, perSecond, typedPath } from './figures.ts'
import { progressLine } from './progress.ts'

export interface SummaryContext {
  readonly job: string
  readonly manifest: ResolvedManifest
  readonly workingDir: string
  /** Commands to try next; default: those that show the outputs. */
  readonly next?: readonly string[]
}

/** The lines behind a run. */
export function summaryText(summary: JobSummary, context: SummaryContext): string {
  const lines = summary.alreadyFinished
    ? alreadyFinished(summary, context)
    : [...figures(summary, context), ...whatNext(summary, context)]
  return `${lines.join('\n')}\n`
}

function figures(summary: JobSummary, { job, manifest, workingDir }: SummaryContext): string[] {
  const rate = perSecond(summary.recordsRead, summary.elapsedMs)
  const first = progressLine(job, summary, [rate])
  const wrote = summary.outputs.map(({ sink, where, records }) =>
    manifest.sinks.get(sink)?.kind === 'table'
      ? ` keeps the table ${sink} in its state`
      : ` wrote ${counted(records, 'record')} to ${typedPath(where, workingDir)}`,
  )
  wrote.push(...asideLines(summary, workingDir), ...boundLines(summary, manifest))
  const state = `state in ${typedPath(summary.stateDir, workingDir)} (epoch ${grouped(summary.epoch)})`
  const windows = summary.windows > 0 ? [counted(summary.windows, 'window')] : []
  const end = summary.finished ? 'finished' : 'stopped; run it again to go on'
  return [first, ...wrote, ` ${[state, ...windows, lasted(summary.elapsedMs), end].join(' · ')}`]
}

/** Where records are that were not taken. Late ones are counted apart, and are there unless the job gives them a side output. */
function asideLines(
  { late, deadLettered, deadLetterWhere }: JobSummary,
  workingDir: string,
): string[] {
  if (deadLetterWhere === undefined || (deadLettered === 0 && late === 0)) return []
  const where = typedPath(deadLetterWhere, workingDir)
  if (deadLettered === 0) return [` late records without a side output are in ${where}`]
  const andLate = late === 0 ? '' : '; late ones without a side output are there too'
  return [` set ${counted(deadLettered, 'record')} aside in ${where}, with the reasons${andLate}`]
}

/** Where records were late: which bound would have kept them in time. */
function boundLines({ late, bounds }: JobSummary, manifest: ResolvedManifest): string[] {
  if (late === 0) return []
  return bounds.flatMap(({ source, keeping99Ms, keeping999Ms, keepingAllMs }) => {
    const boundMs = manifest.sources.get(source)?.eventTime.outOfOrderMs ?? 0
    if (keepingAllMs <= boundMs) return []
    const [most, nearlyAll, all] = [keeping99Ms, keeping999Ms, keepingAllMs].map(boundText)
    const kept =
      most === all
        ? `${all} would have kept all of its records in time`
        : `${most} would have kept 99 % of its records in time, ${nearlyAll} 99.9 %, ${all} all`
    return ` outOfOrder of ${source} is ${boundText(boundMs)}; ${kept}`
  })
}

function alreadyFinished(summary: JobSummary, { job, workingDir }: SummaryContext): string[] {
  const state = typedPath(summary.stateDir, workingDir)
  return [
    ` ${job}   nothing to do: the state in ${state} has read its input to the end (epoch ${grouped(summary.epoch)})`,
    ` to read the input again, give another folder with --state, or remove ${state} and the outputs`,
  ]
}

function whatNext(summary: JobSummary, context: SummaryContext): string[] {
  const commands = context.next ?? commandsFor(summary, context)
  return commands.map((command, index) => `${index === 0 ? ' next  ' : '       '}${command}`)
}

function commandsFor(summary: JobSummary, { manifest, workingDir }: SummaryContext): string[] {
  const state = typedPath(summary.stateDir, workingDir)
  const commands: string[] = []
  for (const [name, sink] of manifest.sinks) {
    if (sink.kind === 'file') commands.push(`head -n 3 ${quoted(typedPath(sink.path, workingDir))}`)
    if (sink.kind === 'table')
      commands.push(`npx millrace state scan ${quoted(state)} ${name} --limit 5`)
  }
  if (summary.deadLettered > 0 && summary.deadLetterWhere !== undefined) {
    commands.push(`head -n 3 ${quoted(typedPath(summary.deadLetterWhere, workingDir))}`)
  }
  if (commands.length === 0) commands.push(`npx millrace doctor ${quoted(state)}`)
  return commands
}

/** As a shell takes it for one word. */
function quoted(path: string): string {
  return /^[\w./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
