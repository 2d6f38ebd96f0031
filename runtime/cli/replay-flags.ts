/**
 * `--from`, `--to`, `--then` and `--speed` of `millrace run`: each sets fields of the manifest, so the
 * state folder remembers them like any other override.
 */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { nearestName } from '../../config/nearest.ts'
import { ConfigError } from '../errors.ts'
import type { CliIo } from './io.ts'
import { loadTargetManifest, type TargetFlags } from './target.ts'

export interface ReplayFlags {
  readonly from?: readonly string[]
  readonly to?: readonly string[]
  readonly then?: 'live'
  readonly speed?: string
}

/**
 * The overrides that the flags stand for.
 * @throws ConfigError when one cannot be read, names no source, or asks of a source what it does not have.
 */
export async function replaySettings(
  io: CliIo,
  path: string,
  flags: TargetFlags & ReplayFlags,
): Promise<readonly string[]> {
  const { from = [], to = [], then, speed } = flags
  const settings = [
    ...(then === undefined ? [] : [`followedBy=${then}`]),
    ...(speed === undefined ? [] : [`speed=${JSON.stringify(speed)}`]),
  ]
  if (from.length + to.length === 0) return settings
  // A place is set where the kind of its source has it, and that is in the manifest.
  const { manifest } = (await loadTargetManifest(io, path, flags)).loaded
  return [
    ...settings,
    ...from.flatMap((written) => placeSettings(manifest, 'from', written)),
    ...to.flatMap((written) => placeSettings(manifest, 'to', written)),
  ]
}

type Place = string | { readonly sequence: number } | { readonly time: string | number }

/** What a source without sequences does anyway. */
const DEFAULTS = { from: 'start', to: 'now' } as const

function placeSettings(
  { sources }: ResolvedManifest,
  flag: 'from' | 'to',
  written: string,
): string[] {
  const [, name, text = ''] = /^(?:([\w-]+)=)?(.*)$/s.exec(written) ?? []
  const place = placeOf(text)
  if (place === undefined || (place === 'start' && flag === 'to')) throw unreadable(flag, written)
  if (name !== undefined && !sources.has(name)) throw unknownSource(flag, name, [...sources.keys()])
  const settings: string[] = []
  for (const [source, { input }] of sources) {
    if (name !== undefined && name !== source) continue
    if (input.kind === 'embedded' || input.kind === 'jetstream') {
      settings.push(`sources.${source}.${input.kind}.${flag}=${JSON.stringify(place)}`)
    } else if (place !== DEFAULTS[flag]) {
      throw new ConfigError(
        `--${flag} ${written}: source '${source}' reads a ${input.kind}, whose records have neither sequences nor a time of a log; name the sources that have, as in --${flag} SOURCE=${text}, and let the job filter by event time`,
      )
    }
  }
  return settings
}

function placeOf(text: string): Place | undefined {
  if (text === 'now' || text === 'start') return text
  const [, digits, unit] = /^(\d+)(ms)?$/.exec(text) ?? []
  if (digits !== undefined) {
    return unit === undefined ? { sequence: Number(digits) } : { time: Number(digits) }
  }
  return /^\d{4}-/.test(text) && !Number.isNaN(Date.parse(text)) ? { time: text } : undefined
}

function unreadable(flag: 'from' | 'to', written: string): ConfigError {
  const words = flag === 'from' ? 'start or now' : 'now'
  return new ConfigError(
    `--${flag} ${written}: write a sequence (1000), a time of the log (2026-01-31T08:30:00Z, 1769848200000ms), ${words}; for one source alone, as in ratings=1000`,
  )
}

function unknownSource(flag: 'from' | 'to', name: string, known: readonly string[]): ConfigError {
  const near = nearestName(name, known)
  const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean '${near}'?`
  return new ConfigError(`--${flag}: the job has no source '${name}'; ${hint}`)
}
