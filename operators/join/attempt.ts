import type { Turn } from '../operator.ts'

/**
 * What user code makes, by the operator's policy when it throws.
 * @param subject what it works on; what is set aside when it keeps failing.
 * @returns undefined when the subject was set aside.
 */
export function attempt<Made extends {} | null>(
  turn: Turn,
  subject: unknown,
  make: () => Made,
): Made | undefined {
  try {
    return make()
  } catch (error) {
    return turn.recover(error, subject, make)?.value
  }
}
