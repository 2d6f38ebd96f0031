/**
 * Hands the rows of large commits to the store's thread, in blocks: putting a row there costs the event
 * loop a copy of its bytes. Memory is bounded by the blocks that are on their way.
 */
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ownFile } from '../package-files.ts'
import type { FromThread, ThreadData, ToThread } from './lmdb-thread.ts'
import { bytesInBlock, writeRow } from './row-block.ts'
import type { StoreTable, StoreWriter } from './store.ts'

const BLOCK_BYTES = 256 * 1024
/** Enough that putting rows together need not wait for the thread but in very large commits. */
const UNDERWAY_BYTES_MAX = 64 * 1024 * 1024
/** Blocks that are kept to be used again. */
const FREE_BLOCKS_MAX = 64

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class LmdbWriter implements StoreWriter {
  readonly #thread: Worker
  readonly #sent = new Int32Array(new SharedArrayBuffer(4))
  readonly #ended: Promise<void>
  readonly #free: Buffer[] = []
  #block: Buffer | undefined
  #length = 0
  #underwayBytes = 0
  #forRoom: Waiting | undefined
  #forEnd: Waiting | undefined
  /** Why the thread has ended, once it has. */
  #failure: Error | undefined

  constructor(folder: string) {
    this.#thread = startThread({ folder, sent: this.#sent })
    // A thread that waits for rows is no reason for a process to go on.
    this.#thread.unref()
    this.#thread.on('message', (message: FromThread) => this.#hear(message))
    this.#thread.on('error', (error) => this.#fail(error))
    this.#ended = new Promise((resolve) => {
      this.#thread.once('exit', (code) => {
        this.#fail(new Error(`the thread that writes the store ended with code ${code}`))
        resolve()
      })
    })
  }

  put(table: StoreTable, key: Uint8Array, value: Uint8Array): void {
    this.#write(table, key, value)
  }

  remove(table: StoreTable, key: Uint8Array): void {
    this.#write(table, key, undefined)
  }

  #write(table: StoreTable, key: Uint8Array, value: Uint8Array | undefined): void {
    const bytes = bytesInBlock(key, value)
    if (this.#block !== undefined && this.#length + bytes > this.#block.length) this.#send()
    this.#block ??= this.#newBlock(bytes)
    this.#length = writeRow(this.#block, this.#length, table, key, value)
  }

  #newBlock(bytes: number): Buffer {
    if (bytes > BLOCK_BYTES) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
  }

  #send(): void {
    if (this.#block === undefined) return
    // Until the commit has ended, the process has something to wait for.
    this.#thread.ref()
    const rows = this.#block.buffer as ArrayBuffer
    this.#underwayBytes += rows.byteLength
    this.#post({ rows, length: this.#length }, [rows])
    this.#block = undefined
    this.#length = 0
  }

  #post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer)
    Atomics.add(this.#sent, 0, 1)
    Atomics.notify(this.#sent, 0)
  }

  #hear(message: FromThread): void {
    if ('free' in message) {
      this.#underwayBytes -= message.free.byteLength
      const isOfUse = message.free.byteLength === BLOCK_BYTES && this.#free.length < FREE_BLOCKS_MAX
      if (isOfUse) this.#free.push(Buffer.from(message.free))
      if (this.hasRoom) this.#forRoom?.resolve()
    } else if ('ended' in message) this.#forEnd?.resolve()
    else this.#forEnd?.reject(new Error(message.failed))
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#forRoom?.reject(this.#failure)
    this.#forEnd?.reject(this.#failure)
  }

  /** Whether more rows may be put before the thread has caught up. */
  get hasRoom(): boolean {
    return this.#underwayBytes < UNDERWAY_BYTES_MAX
  }

  /** Resolves when there is room. @throws what ended the thread. */
  async room(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.hasRoom) return
    await new Promise<void>((resolve, reject) => {
      this.#forRoom = { resolve, reject }
    })
    this.#forRoom = undefined
  }

  /** Commits what was put. @throws what went wrong: then nothing of it is committed. */
  async commit(): Promise<void> {
    this.#send()
    await this.#end('commit')
  }

  /** Has the thread forget what was put. */
  async abort(): Promise<void> {
    this.#send()
    await this.#end('abort')
  }

  async #end(how: 'commit' | 'abort'): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      await new Promise<void>((resolve, reject) => {
        this.#forEnd = { resolve, reject }
        this.#post(how)
      })
    } finally {
      this.#forEnd = undefined
      this.#thread.unref()
    }
  }

  /** Ends the thread; what is not committed is lost. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) return
    this.#thread.ref()
    this.#post('close')
    await this.#ended
  }
}

function startThread(workerData: ThreadData): Worker {
  const file = ownFile('runtime/state/lmdb-thread')
  if (file.endsWith('.js')) return new Worker(file, { workerData })
  // The project's tests run its source, which a thread of Node 20 cannot load by itself.
  const source = pathToFileURL(file).href
  const data = { ...workerData, loader: 'tsx/esm/api', source }
  return new Worker(LOADS_SOURCE, { eval: true, workerData: data })
}

const LOADS_SOURCE = `
const { loader, source } = require('node:worker_threads').workerData
import(loader).then(({ register }) => { register(); return import(source) })
`
