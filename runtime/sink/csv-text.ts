/** Results as CSV lines: the columns are those of the first result. */
const NEEDS_QUOTES = /[",\r\n]/

/** One field: text is quoted when it must be, objects are JSON, null and undefined are empty. */
export function csvField(value: unknown): string {
  if (value === null || value === undefined) return ''
  // oxlint-disable-next-line typescript/no-base-to-string -- what is left has a text of its own
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function csvLine(values: readonly unknown[]): string {
  return values.map(csvField).join(',')
}
