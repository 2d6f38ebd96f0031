/**
 * Files of a simulated machine. What was written is there for the next process, and until it was
 * synced may be gone, in part or altogether, when the machine loses power.
 */
import type { Files, OpenFile } from '../../runtime/sink/files.ts'
import type { Chance } from './chance.ts'
import type { Life } from './life.ts'
import type { Weather } from './weather.ts'

/** A change that is not synced yet. */
type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly length: number }

/** More than a few results are long. */
const GARBAGE_BYTES = 2_000

class FileContent {
  cached: Uint8Array = new Uint8Array()
  #synced: Uint8Array = new Uint8Array()
  #unsynced: Change[] = []

  apply(change: Change): void {
    this.cached = changed(this.cached, change)
    this.#unsynced.push(change)
  }

  sync(): void {
    this.#synced = this.cached
    this.#unsynced = []
  }

  /** Some of what was not synced has reached the disk, in order, the last of it in part. */
  losePower(chance: Chance): void {
    const kept = chance.below(this.#unsynced.length + 1)
    for (const change of this.#unsynced.slice(0, kept)) this.#synced = changed(this.#synced, change)
    const torn = this.#unsynced[kept]
    if (torn?.kind === 'write') {
      const bytes = torn.bytes.subarray(0, chance.below(torn.bytes.length + 1))
      this.#synced = changed(this.#synced, { ...torn, bytes })
      // The length may have reached the disk and what it is the length of not.
      if (bytes.length % 3 === 0) {
        const length = this.#synced.length + GARBAGE_BYTES
        this.#synced = changed(this.#synced, { kind: 'truncate', length })
      }
    }
    this.cached = this.#synced
    this.#unsynced = []
  }
}

function changed(content: Uint8Array, change: Change): Uint8Array {
  if (change.kind === 'truncate') {
    const cut = new Uint8Array(change.length)
    cut.set(content.subarray(0, change.length))
    return cut
  }
  const { at, bytes } = change
  const grown = new Uint8Array(Math.max(content.length, at + bytes.length))
  grown.set(content)
  grown.set(bytes, at)
  return grown
}

export class SimulatedFiles {
  readonly #contents = new Map<string, FileContent>()

  text(path: string): string {
    return Buffer.from(this.#contentOf(path).cached).toString('utf8')
  }

  losePower(chance: Chance): void {
    for (const content of this.#contents.values()) content.losePower(chance)
  }

  #contentOf(path: string): FileContent {
    let content = this.#contents.get(path)
    if (content === undefined) {
      content = new FileContent()
      this.#contents.set(path, content)
    }
    return content
  }

  /** The files as one process sees them. */
  of(options: {
    readonly life: Life
    readonly chance: Chance
    readonly weather: () => Weather
    readonly onFault: (kind: string) => void
  }): Files {
    const { life, chance, weather, onFault } = options
    const call = async (what: string): Promise<void> => {
      await life.wait(chance.below(weather().commitMsMax + 1), `file ${what}`)
    }
    const mayFail = (code: string): void => {
      if (!chance.is(weather().diskFails)) return
      onFault(`file ${code}`)
      throw Object.assign(new Error(`${code}: the simulated disk failed`), { code })
    }
    const open = (content: FileContent): OpenFile => ({
      async stat() {
        await call('stat')
        return { size: content.cached.length }
      },
      async truncate(length) {
        await call('truncate')
        content.apply({ kind: 'truncate', length })
      },
      async read(into, offset, length, position) {
        await call('read')
        into.set(content.cached.subarray(position, position + length), offset)
      },
      async writev(chunks, position) {
        await call('write')
        const bytes = Buffer.concat(chunks)
        // A write may be short, and a process may die in the middle of one.
        const first = bytes.subarray(
          0,
          chance.is(0.3) ? chance.below(bytes.length) + 1 : bytes.length,
        )
        content.apply({ kind: 'write', at: position, bytes: Uint8Array.from(first) })
        mayFail('ENOSPC')
        await life.wait(0, 'file written')
        return { bytesWritten: first.length }
      },
      async sync() {
        await call('sync')
        content.sync()
      },
      async datasync() {
        await call('datasync')
        mayFail('EIO')
        content.sync()
      },
      async close() {
        await life.wait(0, 'file close')
      },
    })
    return {
      mkdir: () => call('mkdir'),
      open: async (path) => {
        await call('open')
        return open(this.#contentOf(path))
      },
    }
  }
}
