import { wholeNumber } from './size.ts'
import { type WindowOptions, WindowSpec } from './window-spec.ts'

/** Windows of a number of records of a key, in the order in which they come. */
export class CountWindows extends WindowSpec {
  readonly kind = 'count'
  readonly clock = 'event'
  readonly count: number
  /** How many records apart they end; undefined: tumbling, without overlap. */
  readonly every: number | undefined

  /** Use `countWindow`. */
  constructor(size: Pick<CountWindows, 'count' | 'every'>, options?: WindowOptions) {
    super(options)
    this.count = size.count
    this.every = size.every
  }

  get label(): string {
    return `count ${this.count}${this.every === undefined ? '' : ` by ${this.every}`}`
  }

  protected withOptions(options: WindowOptions): CountWindows {
    return new CountWindows(this, options)
  }
}

/**
 * Windows of `count` records: each record is in one; or, with `every`, every so many records the last
 * `count` of them (at first fewer).
 * @throws RangeError when a number is not whole and at least 1.
 */
export function countWindow(
  count: number,
  options: { readonly every?: number } = {},
): CountWindows {
  wholeNumber(count, 'count window size')
  if (options.every !== undefined) wholeNumber(options.every, 'count window every')
  return new CountWindows({ count, every: options.every })
}
