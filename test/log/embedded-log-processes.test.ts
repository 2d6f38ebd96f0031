/** An embedded log under several processes, and under processes that are killed. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedLog } from '../../runtime/log/embedded-log.ts'
import { readMessages } from '../conformance/log-conformance.ts'
import { startScript } from '../support/child-process.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const APPEND = new URL('./append-script.ts', import.meta.url)
const FILL = new URL('./fill-script.ts', import.meta.url)
const READ = new URL('./read-script.ts', import.meta.url)

describe('EmbeddedLog with several processes', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('numbers what two processes append without holes, and a third reads it as it comes', async () => {
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s')
    const batches = 150
    const length = 20
    const total = 2 * batches * length
    const reading = startScript(READ, [folder, 's', '0', `${total}`])
    const writing = ['a', 'b'].map((writer) =>
      startScript(APPEND, [folder, 's', '0', writer, `${batches}`, `${length}`]),
    )
    const reader = await log.read('s', 0, 0)
    const here = (await readMessages(reader, total)).map(({ sequence, data }) => ({
      sequence,
      text: Buffer.from(data).toString(),
    }))
    for (const child of [...writing, reading]) expect(await child.ended).toBe(0)

    expect(here.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: total }, (_, index) => index + 1),
    )
    for (const writer of ['a', 'b']) {
      const mine = here.filter(({ text }) => text.startsWith(writer)).map(({ text }) => text)
      expect(mine).toEqual(
        Array.from({ length: total / 2 }, (_, index) => `${writer}:${index + 1}`),
      )
    }
    expect(reading.lines).toEqual(here.map(({ sequence, text }) => `${sequence} ${text}`))
    // An append is never cut by another one.
    const runs = here.map(({ text }, index) => ({ writer: text[0], index }))
    for (let index = 0; index < total; index += length) {
      const writers = new Set(runs.slice(index, index + length).map(({ writer }) => writer))
      expect(writers.size).toBe(1)
    }
    await log.close()
  }, 60_000)

  it('keeps every append that was resolved, and no part of one, when its process is killed', async () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const length = 50
    // The log stays open here, as it does in a job whose neighbour is killed.
    const log = await EmbeddedLog.open(folder)
    await log.createStream('s')
    let resolved = 0
    for (let round = 0; round < 6; round++) {
      const child = startScript(APPEND, [folder, 's', '0', 'w', '100000', `${length}`])
      await child.printed(1 + Math.floor(random() * 60))
      child.process.kill('SIGKILL')
      expect(await child.ended).toBe('SIGKILL')
      resolved = Math.max(resolved, ...child.lines.map(Number))
      const { last } = await log.inspect('s', 0)
      expect(last, `seed ${seed}, round ${round}`).toBeGreaterThanOrEqual(resolved)
      expect(last % length, `seed ${seed}, round ${round}: part of an append`).toBe(0)
      expect(await log.producerNumber('s', 0, 'writer-w')).toBe(last)
    }
    const { last } = await log.inspect('s', 0)
    const reader = await log.read('s', 0, 0)
    const texts = (await readMessages(reader, last)).map(({ data }) => Buffer.from(data).toString())
    expect(texts, `seed ${seed}`).toEqual(
      Array.from({ length: last }, (_, index) => `w:${index + 1}`),
    )
    await log.close()
  }, 60_000)

  it('refuses appends when nothing more can be written, and keeps the ones before', async () => {
    // The largest file that the process may write stands for a full disk.
    const command = 'ulimit -f 4000; exec "$0" --import tsx "$@"'
    const args = ['-c', command, process.execPath, fileURLToPath(FILL), folder]
    const { stdout } = spawnSync('sh', args, { encoding: 'utf8', timeout: 30_000 })
    const outcome = JSON.parse(stdout) as Record<string, number>
    expect(outcome).toMatchObject({ refused: 5, other: '' })
    expect(outcome['taken']).toBeGreaterThan(5)
    expect(outcome['last']).toBe(2 * Number(outcome['taken']))
    const log = await EmbeddedLog.open(folder)
    const reader = await log.read('s', 0, 0)
    expect(await readMessages(reader, Number(outcome['last']))).toHaveLength(
      Number(outcome['last']),
    )
    expect(await log.append('s', 0, [Buffer.from('again')])).toEqual({
      last: Number(outcome['last']) + 1,
    })
    await log.close()
  }, 60_000)
})
