/** A file whose results are made again, because the state went back to a snapshot. */
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DataLossError } from '../../runtime/errors.ts'
import { FileSink, type FileMemo } from '../../runtime/sink/file-sink.ts'
import type { Taken } from '../../runtime/sink/sink.ts'
import { ownerOf, rowOf } from '../support/outbox-rows.ts'

const owner = ownerOf('run')
const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `{"n":${from + i},"name":"x\\ny"}\n`)

describe.each(['jsonl', 'csv'] as const)('a file of %s that is ahead of its state', (format) => {
  let folder: string
  let path: string
  /** What the state knew after 5 of 20 results. */
  let snapshot: Taken
  let before: string

  const sink = (): FileSink => new FileSink({ path, format, overwrite: false })
  const behind = async (): Promise<Taken> => {
    const { length } = await readFile(path)
    return { ...snapshot, memo: { ...(snapshot.memo as FileMemo), compareTo: length } }
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-sink-'))
    path = join(folder, `out.${format}`)
    const first = sink()
    await first.open(owner, undefined)
    snapshot = await first.deliver([rowOf(1, lines(1, 5))])
    await first.deliver([rowOf(6, lines(6, 20))])
    await first.close()
    before = await readFile(path, 'utf8')
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is left as it is by results that are equal, and goes on behind them', async () => {
    const again = sink()
    await again.open(owner, await behind())
    expect(await readFile(path, 'utf8')).toBe(before)
    await again.deliver([rowOf(6, lines(6, 7)), rowOf(8, lines(8, 12))])
    expect(await readFile(path, 'utf8')).toBe(before)
    const taken = await again.deliver([rowOf(13, lines(13, 25))])
    await again.close()
    const after = await readFile(path, 'utf8')
    expect(after.startsWith(before)).toBe(true)
    expect(after.split('"x').length + after.split(',"x').length).toBeGreaterThan(25)
    expect(taken).toMatchObject({ number: 25, memo: { length: Buffer.byteLength(after) } })
    expect(taken.memo).not.toHaveProperty('compareTo')
  })

  it('is compared on by the next process when one dies in between', async () => {
    const dead = sink()
    await dead.open(owner, await behind())
    const taken = await dead.deliver([rowOf(6, lines(6, 9))])
    await dead.close()
    const next = sink()
    await next.open(owner, taken)
    expect(await readFile(path, 'utf8')).toBe(before)
    await next.deliver([rowOf(10, lines(10, 20))])
    await next.close()
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  it('refuses the first result that differs, shows both, and stays as it is', async () => {
    const again = sink()
    await again.open(owner, await behind())
    const made = lines(6, 20)
    made[4] = '{"n":10,"name":"other"}\n'
    const delivering = again.deliver([rowOf(6, made)])
    await expect(delivering).rejects.toThrow(DataLossError)
    await expect(delivering).rejects.toThrow(/x.* is there, .*other.* was made.*--results again/s)
    await again.close()
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  it('goes on in the middle of a line that was not finished', async () => {
    await appendFile(path, format === 'csv' ? '21,"x' : '{"n":21,"na')
    const again = sink()
    await again.open(owner, await behind())
    await again.deliver([rowOf(6, lines(6, 22))])
    await again.close()
    const after = await readFile(path, 'utf8')
    expect(after.startsWith(before)).toBe(true)
    expect(after.match(/\b(?:2[012])\b/g)).toEqual(['20', '21', '22'])
  })
})
