import type { Undecodable } from '../source.ts'

/** Decodes the bytes of one message into a value. Never throws: what cannot be decoded says why. */
export type Decode = (bytes: Uint8Array) => unknown | Undecodable
