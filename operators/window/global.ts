import { type WindowOptions, WindowSpec } from './window-spec.ts'

/** One window a key for all time. */
export class GlobalWindows extends WindowSpec {
  readonly kind = 'global'
  readonly clock = 'event'

  get label(): string {
    return 'global'
  }

  protected withOptions(options: WindowOptions): GlobalWindows {
    return new GlobalWindows(options)
  }
}

/** One window a key without an end. It never fires by itself: give it a trigger. */
export function globalWindow(): GlobalWindows {
  return new GlobalWindows()
}
