import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UnavailableError } from '../../runtime/errors.ts'
import {
  entryBytesAt,
  fileAt,
  lineAt,
  reasonAt,
  recordStartAt,
  type SortEntry,
} from '../../runtime/source/sort/entry.ts'
import { ExternalSort } from '../../runtime/source/sort/external-sort.ts'
import { newSeed, randomFrom } from '../support/random.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-sort-'))
})
afterEach(() => rm(folder, { recursive: true }))

const runsFolder = (): string => join(folder, 'runs')

const entryOf = (line: number, time: number, text = `line ${line}`): SortEntry => ({
  time,
  file: line % 3,
  line,
  reason: '',
  bytes: Buffer.from(text),
})

interface Options {
  readonly memoryBytesMax: number
  readonly runsMax?: number
}

/** All entries in sorted order, as they were added. */
async function sorted(
  entries: readonly SortEntry[],
  options: Options,
): Promise<{ entries: SortEntry[]; runs: number; crc: number }> {
  const sort = new ExternalSort({ what: 'a test', folder: runsFolder(), ...options })
  for (const entry of entries) if (!sort.add(entry)) await sort.spill()
  const cursor = await sort.finish()
  const out: SortEntry[] = []
  for (let step = cursor.next(); step !== 'end'; step = cursor.next()) {
    if (step === 'pending') {
      await cursor.fill()
      continue
    }
    const { buffer, offset } = cursor
    const bytes = buffer.subarray(
      recordStartAt(buffer, offset),
      offset + entryBytesAt(buffer, offset),
    )
    out.push({
      time: cursor.time,
      file: fileAt(buffer, offset),
      line: lineAt(buffer, offset),
      reason: reasonAt(buffer, offset),
      bytes: Buffer.from(bytes),
    })
  }
  expect(cursor.next()).toBe('end')
  await sort.close()
  return { entries: out, runs: sort.runsWritten, crc: sort.crc }
}

const inMemory = (entries: readonly SortEntry[]): SortEntry[] =>
  // Array sorting is stable.
  entries.toSorted((a, b) => (a.time === b.time ? 0 : a.time < b.time ? -1 : 1))

describe('an external sort', () => {
  const seed = newSeed()
  it(`gives what a stable sort in memory gives, however little memory it has (seed ${seed})`, async () => {
    const random = randomFrom(seed)
    for (const [count, memoryBytesMax, runsMax] of [
      [0, 10_000, 64],
      [1, 10_000, 64],
      [2_000, 10_000_000, 64],
      [2_000, 20_000, 64],
      [1_500, 4_000, 3],
    ] as const) {
      const entries = Array.from({ length: count }, (_, line) => {
        const time = random() < 0.05 ? Number.NEGATIVE_INFINITY : Math.floor(random() * 300) - 150
        return {
          ...entryOf(line, time, 'é'.repeat(Math.floor(random() * 60))),
          reason: random() < 0.1 ? 'not ünderstood' : '',
        }
      })
      const result = await sorted(entries, { memoryBytesMax, runsMax })
      expect(result.entries).toEqual(inMemory(entries))
      if (memoryBytesMax < 100_000 && count > 1) expect(result.runs).toBeGreaterThan(runsMax % 64)
    }
  })

  it('keeps the order of equal times', async () => {
    const entries = Array.from({ length: 3_000 }, (_, line) => entryOf(line, line % 2))
    const { entries: out, runs } = await sorted(entries, { memoryBytesMax: 16_000 })
    expect(runs).toBeGreaterThan(2)
    expect(out.map(({ line }) => line)).toEqual([
      ...entries.filter(({ time }) => time === 0).map(({ line }) => line),
      ...entries.filter(({ time }) => time === 1).map(({ line }) => line),
    ])
  })

  it('takes entries that are larger than its memory', async () => {
    const long = 'x'.repeat(300_000)
    const entries = [entryOf(1, 3, long), entryOf(2, 2), entryOf(3, 1, long), entryOf(4, 0)]
    const { entries: out } = await sorted(entries, { memoryBytesMax: 8_000 })
    expect(out.map(({ line, bytes }) => [line, bytes.length])).toEqual([
      [4, 6],
      [3, 300_000],
      [2, 6],
      [1, 300_000],
    ])
  })

  it('recognises what it sorted, whatever memory it has', async () => {
    const entries = Array.from({ length: 1_000 }, (_, line) => entryOf(line, -line))
    const { crc } = await sorted(entries, { memoryBytesMax: 5_000 })
    expect((await sorted(entries, { memoryBytesMax: 77_000 })).crc).toBe(crc)
    const other = entries.with(17, entryOf(17, -17, 'another'))
    expect((await sorted(other, { memoryBytesMax: 5_000 })).crc).not.toBe(crc)
    const swapped = entries.with(17, entryOf(18, -18)).with(18, entryOf(17, -17))
    expect((await sorted(swapped, { memoryBytesMax: 5_000 })).crc).not.toBe(crc)
  })

  it('says what to do when the disk is full', async () => {
    await mkdir(runsFolder())
    await symlink('/dev/full', join(runsFolder(), 'run-0'))
    const entries = Array.from({ length: 500 }, (_, line) => entryOf(line, -line))
    const failure = sorted(entries, { memoryBytesMax: 5_000 })
    await expect(failure).rejects.toThrow(UnavailableError)
    await expect(failure).rejects.toThrow(
      /^a test is sorted with temporary files in .*runs, and that failed: ENOSPC.*Make room there/,
    )
  })

  it('writes no file for what fits in memory, and leaves none behind', async () => {
    const entries = Array.from({ length: 500 }, (_, line) => entryOf(line, -line))
    expect((await sorted(entries, { memoryBytesMax: 1_000_000 })).runs).toBe(0)
    expect((await sorted(entries, { memoryBytesMax: 5_000 })).runs).toBeGreaterThan(1)
    expect(await readdir(folder)).toEqual([])
  })
})
