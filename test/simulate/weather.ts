/** How bad things are: probabilities and delays of what may go wrong with one call. All of it ends when the world is healed. */
export interface Weather {
  /** One way over the network. */
  readonly latencyMsMax: number
  /** Requests and answers overtake each other. */
  readonly reorders: boolean
  readonly requestLost: number
  readonly answerLost: number
  readonly requestRepeated: number
  /** A request is under way for a long time. */
  readonly requestLate: number
  readonly lateMsMax: number
  readonly commitMsMax: number
  readonly commitFails: number
  readonly flushMsMax: number
  readonly flushFails: number
  /** A write or sync of a file, or an append to the embedded log, fails. */
  readonly diskFails: number
}

export const CALM: Weather = {
  latencyMsMax: 1,
  reorders: false,
  requestLost: 0,
  answerLost: 0,
  requestRepeated: 0,
  requestLate: 0,
  lateMsMax: 0,
  commitMsMax: 1,
  commitFails: 0,
  flushMsMax: 2,
  flushFails: 0,
  diskFails: 0,
}
