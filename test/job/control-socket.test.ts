import { existsSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askJob, controlPath, ControlSocket } from '../../runtime/job/control-socket.ts'

let folder: string
let socket: ControlSocket | undefined
const calls: string[] = []
const handlers = {
  status: () => ({ epoch: 7 }),
  stop: () => void calls.push('stop'),
  drain: () => undefined,
  snapshot: () => Promise.reject(new Error('the folder is full')),
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-control-'))
})
afterEach(async () => {
  await socket?.close()
  socket = undefined
  await rm(folder, { recursive: true, force: true })
})

test('a running job answers what it is asked, and says why it cannot', async () => {
  socket = await ControlSocket.open(folder, handlers)
  expect(await askJob(folder, 'status')).toEqual({ epoch: 7 })
  expect(await askJob(folder, 'stop')).toBeNull()
  expect(calls).toEqual(['stop'])
  await expect(askJob(folder, 'snapshot')).rejects.toThrow('the folder is full')
})

test('only its user may ask, and its socket goes with it', async () => {
  socket = await ControlSocket.open(folder, handlers)
  expect(statSync(controlPath(folder)).mode & 0o777).toBe(0o600)
  await socket.close()
  socket = undefined
  expect(existsSync(controlPath(folder))).toBe(false)
  await expect(askJob(folder, 'status')).rejects.toThrow(/does not answer/)
})

test('the socket of a killed process is no hindrance', async () => {
  writeFileSync(controlPath(folder), 'left behind')
  socket = await ControlSocket.open(folder, handlers)
  expect(await askJob(folder, 'status')).toEqual({ epoch: 7 })
})

test('a folder whose path is too long for a socket has its socket elsewhere', async () => {
  const deep = join(folder, 'a'.repeat(60), 'b'.repeat(60))
  await mkdir(deep, { recursive: true })
  socket = await ControlSocket.open(deep, handlers)
  expect(Buffer.byteLength(controlPath(deep))).toBeLessThan(100)
  expect(await askJob(deep, 'status')).toEqual({ epoch: 7 })
})

test.each(['nonsense', '{"ask":"explode"}', '{"ask":"constructor"}', '[]', 'null', ''])(
  'what is no request is answered and does no harm: %s',
  async (line) => {
    socket = await ControlSocket.open(folder, handlers)
    expect(await say(`${line}\n`)).toMatch(/^{"ok":false,"error":/)
    expect(await askJob(folder, 'status')).toEqual({ epoch: 7 })
  },
)

test('a line without end is not collected for ever', async () => {
  socket = await ControlSocket.open(folder, handlers)
  expect(await say('x'.repeat(100_000))).toBe('')
  expect(await askJob(folder, 'status')).toEqual({ epoch: 7 })
})

/** What comes back for some bytes: the first line, or nothing when the other side hangs up. */
function say(text: string): Promise<string> {
  return new Promise((resolve) => {
    const client = connect(controlPath(folder))
    client.once('data', (bytes) => {
      resolve(bytes.toString())
      client.destroy()
    })
    client.once('error', () => resolve(''))
    client.once('close', () => resolve(''))
    client.write(text)
  })
}
