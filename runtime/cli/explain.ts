/** `millrace explain window`: why a window of a job has not fired. */
import { ConfigError } from '../errors.ts'
import type { ExplainedInput, ExplainedWindow, Explanation } from '../explain/explanation.ts'
import { dateText, recordsText, spanText } from '../explain/words.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { CliIo } from './io.ts'
import { keysOf } from './key-argument.ts'
import { loadTarget, rememberedMode } from './target.ts'
import type { TargetFlags } from './target.ts'

export interface ExplainFlags extends TargetFlags {
  readonly json?: boolean
}

export interface ExplainArguments {
  readonly operator: string
  readonly key: string
  readonly time: string
}

/**
 * Prints why the window of a key that holds a time has not fired, or that it has.
 * @throws ConfigError for an operator without windows or a time that is none; StateError without a state.
 */
export async function explainCommand(
  io: CliIo,
  path: string,
  { operator, key, time }: ExplainArguments,
  flags: ExplainFlags,
): Promise<ExitCode> {
  const at = timeOf(time)
  const { loaded, definition, stateDir } = await loadTarget(io, path, flags)
  const { manifest } = loaded
  const { explainWindow } = await import('../job/explain-window.ts')
  const explanation = await explainWindow({
    manifest,
    definition,
    stateDir,
    mode: (await rememberedMode(stateDir)) ?? manifest.mode,
    now: io.clock.now(),
    operator,
    keys: keysOf(key),
    time: at,
  })
  io.out(
    flags.json === true
      ? `${JSON.stringify(explanation, jsonValue, 2)}\n`
      : explanationText(explanation),
  )
  return EXIT.ok
}

/** A time as milliseconds since 1970 or as a date. @throws ConfigError */
function timeOf(written: string): number {
  const time = /^-?\d+$/.test(written) ? Number(written) : Date.parse(written)
  if (Number.isSafeInteger(time)) return time
  throw new ConfigError(
    `'${written}' is no time; write milliseconds since 1970, or a date as in 2026-01-31T12:00:00Z`,
  )
}

/** What JSON has no words for. */
function jsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Map || value instanceof Set) return [...value]
  return typeof value === 'bigint' ? String(value) : value
}

// ── for people ───────────────────────────────────────────────────────────────────────────────────

function explanationText(explanation: Explanation): string {
  const { operator, key, window, verdict, cause, because, toDo, inputs, holder } = explanation
  const where =
    window === undefined
      ? `no window holds ${dateText(explanation.time)}`
      : `window ${dateText(window.start)} to ${dateText(window.end)}`
  const { epoch, committedAt, isRunning } = explanation
  const lines = [
    `${operator}, key ${JSON.stringify(key)}: ${where} (${explanation.windows})`,
    `  ${verdict}: ${cause}`,
    ...contentsLines(window),
    '',
    ...because.map((sentence) => `  ${sentence}`),
    ...(toDo.length === 0 ? [] : ['', '  What to do:', ...toDo.map((what) => `  - ${what}`)]),
    '',
    '  Inputs:',
    ...inputs.map((input) => `  ${input.input === holder ? '→' : ' '} ${inputLine(input)}`),
    '',
    `  As of epoch ${epoch}, committed at ${dateText(committedAt)}; the job is ${isRunning ? '' : 'not '}running.`,
  ]
  return `${lines.join('\n')}\n`
}

/** Contents beyond this many characters are for `state get`. */
const CONTENTS_MAX = 400

function contentsLines(window: ExplainedWindow | undefined): string[] {
  if (window?.contents === undefined) return []
  const { records, results, contents } = window
  const text = JSON.stringify(contents, jsonValue)
  const shown = text.length > CONTENTS_MAX ? `${text.slice(0, CONTENTS_MAX)}…` : text
  return [
    [
      ...(records === undefined ? [] : [`${recordsText(records)} so far`]),
      ...(results === undefined || results === 0 ? [] : [`${results} results given`]),
      `contents ${shown}`,
    ].join(', '),
  ].map((line) => `  ${line}`)
}

function inputLine(input: ExplainedInput): string {
  const { position, state, records, watermark, heardAt, silentMs, waitsFor, setAside } = input
  const refused = Object.entries(setAside).map(([kind, count]) => `${count} set aside (${kind})`)
  return [
    `${input.input}${position === undefined ? '' : ` at ${position}`}: ${state}${waitsFor === undefined ? '' : `, waits for ${waitsFor}`}`,
    recordsText(records),
    `watermark ${dateText(watermark)}`,
    ...(heardAt === undefined ? [] : [`heard at ${dateText(heardAt)}`]),
    ...(silentMs === undefined ? [] : [`silent for ${spanText(silentMs)}`]),
    ...refused,
  ].join(' · ')
}
