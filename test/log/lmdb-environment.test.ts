import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LmdbEnvironment } from '../../runtime/log/lmdb-environment.ts'

const key = (text: string): Uint8Array => Buffer.from(text)
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && Buffer.from(bytes).toString()

describe('LmdbEnvironment', () => {
  let folder: string
  let environment: LmdbEnvironment
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-environment-'))
    environment = LmdbEnvironment.open(folder)
  })
  afterEach(async () => {
    await environment.close()
    rmSync(folder, { recursive: true })
  })

  const increment = (): Promise<number> =>
    environment.write((rows) => {
      const number = Number(textOf(rows.get(key('n'))) ?? 0) + 1
      rows.put(key('n'), key(String(number)))
      return number
    })

  it('is one and the same for a folder, until its last user closes it', async () => {
    const other = LmdbEnvironment.open(folder)
    expect(other).toBe(environment)
    await other.close()
    await environment.write((rows) => rows.put(key('a'), key('1')))
    expect(textOf(environment.get(key('a')))).toBe('1')
  })

  it('lets each write read what the ones before it have put (E1)', async () => {
    const numbers = await Promise.all(Array.from({ length: 50 }, increment))
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
    expect(await increment()).toBe(51)
  })

  it('fails a write alone that throws before it changes anything (E2)', async () => {
    const results = await Promise.allSettled([
      environment.write((rows) => rows.put(key('a'), key('1'))),
      environment.write(() => {
        throw new Error('no')
      }),
      environment.write((rows) => rows.put(key('b'), key('2'))),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(textOf(environment.get(key('b')))).toBe('2')
  })

  it('takes a transaction back, whole, when a write throws after a change (E2)', async () => {
    const results = await Promise.allSettled([
      environment.write((rows) => rows.put(key('a'), key('1'))),
      environment.write((rows) => {
        rows.put(key('b'), key('2'))
        throw new Error('broken')
      }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(environment.get(key('a'))).toBeUndefined()
    expect(environment.get(key('b'))).toBeUndefined()
    await environment.write((rows) => rows.put(key('a'), key('3')))
    expect(textOf(environment.get(key('a')))).toBe('3')
  })

  it('splits what is too much for one transaction, in order', async () => {
    const order: number[] = []
    const bytes = 20 * 1024 * 1024
    await Promise.all([1, 2, 3].map((number) => environment.write(() => order.push(number), bytes)))
    expect(order).toEqual([1, 2, 3])
  })

  it('tells its listeners of every transaction until they have enough', async () => {
    let told = 0
    const forget = environment.onCommit(() => told++)
    await environment.write((rows) => rows.put(key('a'), key('1')))
    forget()
    await environment.write((rows) => rows.put(key('a'), key('2')))
    expect(told).toBe(1)
  })
})
