/** Figures as people read them. */
import { isAbsolute, relative } from 'node:path'

/** 100004 → `100,004`. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** A rate a second: `412 k/s`, `1.3 M/s`, `950/s`. */
export function perSecond(count: number, elapsedMs: number): string {
  const rate = elapsedMs <= 0 ? 0 : (count * 1000) / elapsedMs
  if (rate >= 1_000_000) return `${(rate / 1_000_000).toFixed(1)} M/s`
  if (rate >= 1_000) return `${(rate / 1_000).toFixed(rate >= 100_000 ? 0 : 1)} k/s`
  return `${Math.round(rate)}/s`
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `12 d 3 h`. */
export function lasted(elapsedMs: number): string {
  const seconds = elapsedMs / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${grouped(Math.floor(hours / 24))} d ${hours % 24} h`
}

/** A size: `512 B`, `8.4 MB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const [unit, size] = BYTE_UNITS.find(([, upTo]) => bytes < upTo * 1_000) ?? ['GB', 1_000_000_000]
  return `${(bytes / size).toFixed(1)} ${unit}`
}

const BYTE_UNITS = [
  ['kB', 1_000],
  ['MB', 1_000_000],
] as const

/** A bound as a manifest has it, rounded up: `800ms`, `12s`, `3m`, `30h`, `12d`. */
export function boundText(boundMs: number): string {
  const [unit, unitMs] = BOUND_UNITS.find(([, , upToMs]) => boundMs <= upToMs) ?? ['d', 86_400_000]
  return `${Math.ceil(boundMs / unitMs)}${unit}`
}

/** Unit, its milliseconds, and the largest bound that is told in it. */
const BOUND_UNITS = [
  ['ms', 1, 1_000],
  ['s', 1_000, 120_000],
  ['m', 60_000, 7_200_000],
  ['h', 3_600_000, 172_800_000],
] as const

/** `1 record`, `2 records`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** A path as one would type it in a folder: relative inside of it, absolute elsewhere. */
export function typedPath(path: string, workingDir: string): string {
  if (!isAbsolute(path)) return path
  const way = relative(workingDir, path)
  return way === '' ? '.' : way.startsWith('..') ? path : way
}
