/** The table of results, for the terminal and for docs. */
import type { Row } from './subject.ts'

const TITLES = ['what', 'ours', 'baseline', 'ratio', 'at least (at most)', 'met'] as const

const cellsOf = (row: Row): readonly string[] => [
  row.what,
  row.ours,
  row.baseline,
  row.ratio,
  row.goal,
  row.met ? 'yes' : 'NO',
]

export function asText(rows: readonly Row[]): string {
  const lines = [TITLES, ...rows.map(cellsOf)]
  const widths = TITLES.map((_, column) =>
    Math.max(...lines.map((cells) => (cells[column] ?? '').length)),
  )
  return lines
    .map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .join('\n')
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

export function asMarkdown(rows: readonly Row[]): string {
  return [
    line(TITLES),
    line(TITLES.map(() => '---')),
    ...rows.map((row) => line(cellsOf(row))),
  ].join('\n')
}

/** A line for a rate that has no baseline. */
export const rateRow = (what: string, rate: number, rateMin: number): Row => ({
  what,
  ours: `${Math.round(rate / 1_000).toLocaleString('en')} k/s`,
  baseline: '',
  ratio: '',
  goal: `${Math.round(rateMin / 1_000)} k/s`,
  met: rate >= rateMin,
})
