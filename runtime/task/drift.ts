/**
 * Keeps inputs of a group together in event time: one that is too far ahead of the slowest is not read
 * until the others have caught up, so that what waits for them stays bounded.
 */
import { TIME_MAX, type Timestamp } from '../../operators/time.ts'
import type { Alignment } from '../time/event-time.ts'

/** What decides about an input; see Ingest. */
export interface DriftingInput {
  readonly alignment: Alignment | undefined
  readonly watermark: { readonly maxTime: Timestamp; readonly holder: { readonly idle: boolean } }
}

export class Drift<Input extends DriftingInput> {
  readonly #groups: ReadonlyMap<string, readonly Input[]>
  readonly #slowest = new Map<
    string,
    { readonly time: Timestamp; readonly input: Input | undefined }
  >()

  constructor(inputs: readonly Input[]) {
    this.#groups = groupsOf(inputs)
  }

  /**
   * Looks how far each group has come. Only inputs that may be read and are not silent hold others
   * back, so the slowest can always go on and no two wait for each other.
   */
  measure(holdsBack: (input: Input) => boolean): void {
    for (const [group, inputs] of this.#groups) {
      let [time, slowest]: [Timestamp, Input | undefined] = [TIME_MAX, undefined]
      for (const input of inputs) {
        const { holder, maxTime } = input.watermark
        if (!holder.idle && maxTime < time && holdsBack(input)) [time, slowest] = [maxTime, input]
      }
      this.#slowest.set(group, { time, input: slowest })
    }
  }

  /** Whether an input has to wait for the others of its group, as they were at the last measure. */
  isAhead(input: Input): boolean {
    const { alignment, watermark } = input
    if (alignment === undefined) return false
    const slowest = this.#slowest.get(alignment.group)?.time
    // Before its first record an input is not ahead: -∞ less -∞ is no number.
    return slowest !== undefined && watermark.maxTime - slowest > alignment.maxDriftMs
  }

  /** Who was the slowest of an input's group at the last measure; nobody, while none holds others back. */
  slowestOf({ alignment }: Input): Input | undefined {
    return alignment && this.#slowest.get(alignment.group)?.input
  }
}

function groupsOf<Input extends DriftingInput>(inputs: readonly Input[]): Map<string, Input[]> {
  const groups = new Map<string, Input[]>()
  for (const input of inputs) {
    const group = input.alignment?.group
    if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), input])
  }
  return groups
}
