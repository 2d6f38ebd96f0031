import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, DataLossError } from '../../runtime/errors.ts'
import { FileSink } from '../../runtime/sink/file-sink.ts'
import { sinkConformance } from '../conformance/sink-conformance.ts'
import { ownerOf, rowOf } from '../support/outbox-rows.ts'

const owner = ownerOf('run')

sinkConformance('FileSink (JSONL)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-sink-'))
  const path = join(folder, 'out', 'results.jsonl')
  return {
    open: () => new FileSink({ path, format: 'jsonl', overwrite: false }),
    contents: async () => (await readFile(path, 'utf8')).split('\n').slice(0, -1),
    close: () => rm(folder, { recursive: true }),
  }
})

sinkConformance('FileSink (CSV)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-sink-'))
  const path = join(folder, 'results.csv')
  return {
    open: () => new FileSink({ path, format: 'csv', overwrite: false }),
    contents: async () => csvRecords(await readFile(path, 'utf8')),
    close: () => rm(folder, { recursive: true }),
  }
})

/** The records `n,"name"` of a CSV text as JSON; names are quoted, for they hold quotes and line ends. */
function csvRecords(text: string): string[] {
  if (text === '') return []
  expect(text.startsWith('n,name\n')).toBe(true)
  const records = text.slice('n,name\n'.length).matchAll(/(\d+),"((?:[^"]|"")*)"\n/gy)
  return [...records].map(([, n, name]) =>
    JSON.stringify({ n: Number(n), name: name?.replaceAll('""', '"') }),
  )
}

describe('FileSink', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-sink-'))
    path = join(folder, 'out.jsonl')
  })
  afterEach(() => rm(folder, { recursive: true }))
  const sink = (overwrite = false): FileSink => new FileSink({ path, format: 'jsonl', overwrite })

  it('refuses a file that is not empty when the state is fresh, and leaves it as it is', async () => {
    await writeFile(path, 'precious\n')
    await expect(sink().open(owner, undefined)).rejects.toThrow(ConfigError)
    await expect(sink().open(owner, undefined)).rejects.toThrow(/Use --overwrite/)
    expect(await readFile(path, 'utf8')).toBe('precious\n')
  })

  it('empties such a file when told to', async () => {
    await writeFile(path, 'old\n')
    const opened = sink(true)
    expect((await opened.open(owner, undefined)).number).toBe(0)
    await opened.close()
    expect(await readFile(path, 'utf8')).toBe('')
  })

  it('cuts off what a crash left behind the committed length', async () => {
    const first = sink()
    await first.open(owner, undefined)
    const taken = await first.deliver([rowOf(1, ['1\n', '2\n'])])
    await first.close()
    await appendFile(path, '3\n{"half')
    const second = sink()
    expect(await second.open(owner, taken)).toEqual(taken)
    await second.deliver([rowOf(3, ['3\n'])])
    await second.close()
    expect(await readFile(path, 'utf8')).toBe('1\n2\n3\n')
  })

  it('refuses a file that has lost confirmed results (I8)', async () => {
    const first = sink()
    await first.open(owner, undefined)
    const taken = await first.deliver([rowOf(1, ['1\n', '2\n'])])
    await first.close()
    await truncate(path, 3)
    await expect(sink().open(owner, taken)).rejects.toThrow(DataLossError)
    await expect(sink().open(owner, taken)).rejects.toThrow(/has 3 bytes, and 4 were written/)
  })

  it('refuses to go on in another file', async () => {
    const first = sink()
    const taken = await first.open(owner, undefined)
    await first.close()
    const other = new FileSink({ path: `${path}2`, format: 'jsonl', overwrite: false })
    await expect(other.open(owner, taken)).rejects.toThrow(ConfigError)
  })

  it('keeps the columns of the first CSV result for all that follow', async () => {
    const csv = (): FileSink => new FileSink({ path, format: 'csv', overwrite: false })
    const first = csv()
    await first.open(owner, undefined)
    const taken = await first.deliver([rowOf(1, ['{"a":1,"b":"x,y"}\n'])])
    await first.close()
    const second = csv()
    await second.open(owner, taken)
    await second.deliver([rowOf(2, ['{"c":3,"b":null,"a":"\\""}\n'])])
    await second.close()
    expect(await readFile(path, 'utf8')).toBe('a,b\n1,"x,y"\n"""",\n')
  })
})
