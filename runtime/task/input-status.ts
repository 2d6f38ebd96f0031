/**
 * What is kept of an input for people who ask why time stands where it stands. Nothing hangs on it: a
 * state that has none of it is as good.
 */
import type { Timestamp } from '../../operators/time.ts'

/** Why a record was set aside before it entered the pipeline. */
export type Refusal =
  'undecodable' | 'schema' | 'no time' | 'before minTime' | 'beyond maxAhead' | 'watermark'

export interface InputStatus {
  /** Since when, by the clock, the newest run has listened to it. */
  readonly listenedFrom?: Timestamp
  /** When it gave its newest batch, by the clock. */
  readonly heardAt?: Timestamp
  /** Event time of the newest record that was taken in. */
  readonly lastTime?: Timestamp
  /** It was silent for too long and holds nobody back. */
  readonly isIdle?: true
  /** It was not read, for it is ahead of this other input, or that one is read whole before it. */
  readonly waitsFor?: WaitsFor
  /** Records that were set aside, by reason. */
  readonly refused?: Readonly<Partial<Record<Refusal, Refused>>>
}

export interface WaitsFor {
  readonly input: string
  readonly why: 'alignment' | 'comes first'
}

export interface Refused {
  readonly records: number
  /** What was said of the newest of them. */
  readonly reason: string
  /** How many records had been taken in when the newest was set aside. */
  readonly behind: number
}

/** The status of an input that is read: what the runtime notes as it goes. */
export class StatusNotes {
  listenedFrom: Timestamp | undefined
  heardAt: Timestamp | undefined
  lastTime: Timestamp | undefined
  waitsFor: WaitsFor | undefined
  readonly #refused = new Map<Refusal, Refused>()

  /** Takes up what an earlier run has noted. */
  restore({ heardAt, lastTime, refused = {} }: InputStatus): void {
    this.heardAt = heardAt
    this.lastTime = lastTime
    for (const [kind, noted] of Object.entries(refused)) this.#refused.set(kind as Refusal, noted)
  }

  /** @param behind how many records were taken in before. */
  refuse(kind: Refusal, reason: string, behind: number): void {
    const records = (this.#refused.get(kind)?.records ?? 0) + 1
    this.#refused.set(kind, { records, reason, behind })
  }

  /** What a commit keeps. */
  row(isIdle: boolean): InputStatus {
    const { listenedFrom, heardAt, lastTime, waitsFor } = this
    return {
      ...(listenedFrom !== undefined && { listenedFrom }),
      ...(heardAt !== undefined && { heardAt }),
      ...(lastTime !== undefined && { lastTime }),
      ...(isIdle && { isIdle }),
      ...(waitsFor !== undefined && { waitsFor }),
      ...(this.#refused.size > 0 && { refused: Object.fromEntries(this.#refused) }),
    }
  }
}
