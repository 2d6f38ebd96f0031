/** Times and lengths of time as an explanation says them. */
import type { Milliseconds, Timestamp } from '../../operators/time.ts'

/** `2026-01-01T00:00:00.000Z`; times further away than dates reach stay numbers. */
export function dateText(time: Timestamp): string {
  if (time === Infinity) return 'the end of time'
  if (time === -Infinity) return 'the beginning of time'
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? `${time} ms` : date.toISOString()
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/** `250 ms`, `4 m 10 s`, `2 d 3 h`: the two largest units. */
export function spanText(lengthMs: Milliseconds): string {
  if (!Number.isFinite(lengthMs)) return 'for ever'
  const parts: string[] = []
  let leftMs = Math.ceil(lengthMs)
  for (const [unit, unitMs] of UNITS) {
    const whole = Math.floor(leftMs / unitMs)
    leftMs -= whole * unitMs
    if (whole > 0) parts.push(`${whole} ${unit}`)
    // Nobody counts milliseconds beside minutes.
    if (parts.length === 2 || (parts.length === 1 && unitMs > 1_000 && leftMs < unitMs / 60)) break
  }
  return parts.length === 0 ? '0 ms' : parts.join(' ')
}

/** A length as a manifest has it, rounded up to a unit that people use: `800ms`, `12s`, `3m`. */
export function settingText(lengthMs: Milliseconds): string {
  const [unit, unitMs] = SETTING_UNITS.find(([, , upToMs]) => lengthMs < upToMs) ?? ['h', 3_600_000]
  return `${Math.ceil(lengthMs / unitMs)}${unit}`
}

const SETTING_UNITS = [
  ['ms', 1, 1_000],
  ['s', 1_000, 120_000],
  ['m', 60_000, 7_200_000],
] as const

/** `1 record`, `2 records`. */
export const recordsText = (records: number): string =>
  `${records} ${records === 1 ? 'record' : 'records'}`
