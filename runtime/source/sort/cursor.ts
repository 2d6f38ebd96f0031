/** Entries in order of time, one after the other. */
export interface EntryCursor {
  /**
   * Goes on to the next entry. 'pending': it has to be read first, call fill() and then next() again.
   * After 'end' it stays at the end.
   */
  next(): 'entry' | 'pending' | 'end'
  /** Reads what the last next() was pending for. */
  fill(): Promise<void>
  /** Time of the current entry. */
  readonly time: number
  /** Where the current entry lies, until the next call of next(). */
  readonly buffer: Buffer
  readonly offset: number
  close(): Promise<void>
}
