/** Random numbers from a seed, for tests that print it. */

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** A seed: the one in MILLRACE_SEED, or a new one. */
export function newSeed(): number {
  const given = process.env['MILLRACE_SEED']
  return given === undefined ? Math.floor(Math.random() * 0x1_0000_0000) : Number(given)
}
