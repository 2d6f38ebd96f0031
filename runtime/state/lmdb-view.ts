/**
 * A frozen view of an LMDB environment: a read transaction, and the file's pages as they were.
 *
 * LMDB writes to pages that nothing refers to and leaves all others as they are while a reader that
 * began before may need them. So the pages of a transaction can be read from the file as long as its
 * reader is open, at any pace, while the writer goes on. Only the two meta pages in front are
 * written in place: they are kept from the moment at which the view was opened.
 */
import { closeSync, openSync, read, readSync } from 'node:fs'
import type { Database, RootDatabase, Transaction } from 'lmdb'
import { UnavailableError } from '../errors.ts'
import type { StorePages, StoreRange, StoreRow, StoreTable, StoreView } from './store.ts'

const META_PAGES = 2

export interface LmdbViewOptions {
  readonly root: RootDatabase<Uint8Array, Uint8Array>
  readonly tables: Readonly<Record<StoreTable, Database<Uint8Array, Uint8Array>>>
  /** The environment's file. */
  readonly file: string
  readonly onClose: () => void
}

export class LmdbView implements StoreView {
  readonly #options: LmdbViewOptions
  readonly #transaction: Transaction
  readonly #file: number
  readonly #head: Buffer
  #reading = 0
  #closed = false
  readonly pages: StorePages

  /** No commit may be in flight: the newest transaction is then the one that is seen. */
  constructor(options: LmdbViewOptions) {
    const { root, file } = options
    this.#options = options
    this.#transaction = root.useReadTransaction()
    try {
      const { pageSize, lastPageNumber } = root.getStats() as {
        readonly pageSize: number
        readonly lastPageNumber: number
      }
      this.#file = openSync(file, 'r')
      this.#head = Buffer.alloc(META_PAGES * pageSize)
      readSync(this.#file, this.#head, 0, this.#head.length, 0)
      this.pages = {
        length: (lastPageNumber + 1) * pageSize,
        read: (into, position) => this.#read(into, position),
      }
    } catch (error) {
      this.#transaction.done()
      throw error
    }
  }

  get(table: StoreTable, key: Uint8Array): Uint8Array | undefined {
    this.#check()
    return this.#options.tables[table].get(key, { transaction: this.#transaction })
  }

  range(table: StoreTable, { start, end, limit }: StoreRange): StoreRow[] {
    this.#check()
    const range = { start, end, transaction: this.#transaction }
    const rows = this.#options.tables[table].getRange(
      limit === undefined ? range : { ...range, limit },
    )
    return [...rows].map(({ key, value }) => ({ key, value }))
  }

  async #read(into: Uint8Array, position: number): Promise<void> {
    this.#check()
    let done = 0
    if (position < this.#head.length) {
      done = this.#head.copy(into, 0, position)
    }
    this.#reading += 1
    try {
      while (done < into.length) {
        const bytes = await readSome(this.#file, into.subarray(done), position + done)
        // A page at the end that was never written is not in the file.
        if (bytes === 0) into.fill(0, done)
        done = bytes === 0 ? into.length : done + bytes
      }
    } finally {
      this.#reading -= 1
      if (this.#closed) this.#release()
    }
    // What was read while the view ended may be of a later transaction.
    this.#check()
  }

  #check(): void {
    if (this.#closed) throw new UnavailableError('the store was closed while it was being copied')
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#transaction.done()
    this.#release()
    this.#options.onClose()
  }

  /** The file's number may be given to another file once it is closed: not before it was read. */
  #release(): void {
    if (this.#reading === 0) closeSync(this.#file)
  }
}

function readSome(file: number, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file, into, 0, into.length, position, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    )
  })
}
