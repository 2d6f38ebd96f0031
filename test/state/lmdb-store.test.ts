import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { StateError } from '../../runtime/errors.ts'
import { LmdbStore } from '../../runtime/state/lmdb-store.ts'
import { storeConformance } from '../conformance/store-conformance.ts'
import { startScript } from '../support/child-process.ts'
import { newSeed, randomFrom } from '../support/random.ts'
import { LARGE_ROWS } from './large-commit-script.ts'

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'millrace-store-'))

storeConformance('LmdbStore', async () => {
  const folder = newFolder()
  return {
    open: () => new LmdbStore(folder),
    close: async () => rmSync(folder, { recursive: true, force: true }),
  }
})

describe('LmdbStore', () => {
  it('opens after SIGKILL at a whole commit, not older than what it said was durable (S1, S4)', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const folder = newFolder()
    try {
      let newest = 0
      for (let round = 0; round < 5; round++) {
        const script = startScript(new URL('./commit-script.ts', import.meta.url), [folder])
        await script.printed(1 + Math.floor(random() * 40))
        script.process.kill('SIGKILL')
        expect(await script.ended).toBe('SIGKILL')
        const durable = Number(script.lines.at(-1))
        const store = new LmdbStore(folder)
        const number = (value: Uint8Array | undefined): number =>
          Buffer.from(value ?? [0, 0, 0, 0]).readUInt32BE(0)
        const n = number(store.get('meta', Buffer.from('n')))
        const all = { start: Buffer.from([0]), end: Buffer.from([255]) }
        const rows = store.range('state', all).map(({ value }) => number(value))
        const outbox = store.range('outbox', all)
        await store.close()
        expect(n, `seed ${seed}`).toBeGreaterThanOrEqual(durable)
        expect(n).toBeGreaterThan(newest)
        expect(rows, `seed ${seed}`).toEqual(Array.from({ length: 40 }, () => n))
        expect(outbox).toHaveLength(n)
        newest = n
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)

  it('opens at the commit before one that was put half when the process was killed (S1)', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const folder = newFolder()
    try {
      for (let round = 0; round < 4; round++) {
        const url = new URL('./large-commit-script.ts', import.meta.url)
        const script = startScript(url, [folder])
        // 'half' and 'durable' in turns: the last line is a half in two of three rounds.
        await script.printed(1 + Math.floor(random() * 3))
        script.process.kill('SIGKILL')
        expect(await script.ended).toBe('SIGKILL')
        const numbers = (word: string): number[] =>
          script.lines.flatMap((line) =>
            line.startsWith(word) ? [Number(line.split(' ')[1])] : [],
          )
        const store = new LmdbStore(folder)
        const n = store.get('meta', Buffer.from('n'))?.[3] ?? 0
        const values = store
          .range('state', { start: Buffer.from('0'), end: Buffer.from(':') })
          .map(({ value }) => value[3])
        await store.close()
        expect(n, `seed ${seed}`).toBeGreaterThanOrEqual(Math.max(0, ...numbers('durable')))
        expect(n, `seed ${seed}`).toBeLessThanOrEqual(Math.max(0, ...numbers('half')))
        expect(values.length, `seed ${seed}`).toBe(n === 0 ? 0 : LARGE_ROWS)
        expect(new Set(values), `seed ${seed}`).toEqual(new Set(n === 0 ? [] : [n]))
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)

  it('can be read beside the process that writes it', async () => {
    const folder = newFolder()
    const writer = new LmdbStore(folder)
    await writer.commit((rows) => rows.put('meta', Buffer.from('a'), Buffer.from('1')))
    await writer.flushed()
    const reader = startScript(new URL('./read-script.ts', import.meta.url), [folder])
    await reader.printed(1)
    expect(await reader.ended).toBe(0)
    expect(reader.lines).toEqual(['1'])
    await writer.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('says which folder cannot be opened', () => {
    const folder = newFolder()
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => new LmdbStore(join(file, 'store'))).toThrow(StateError)
    expect(() => new LmdbStore(join(file, 'store'))).toThrow(/file\/store cannot be opened/)
    rmSync(folder, { recursive: true, force: true })
  })
})
