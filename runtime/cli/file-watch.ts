/** Tells when files change. Watches their folders: editors replace a file rather than write into it. */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export class FileWatch {
  readonly #onChange: (file: string) => void
  /** What is known of each file: when it was written last, and how long it was. */
  readonly #files = new Map<string, string>()
  readonly #folders = new Map<string, FSWatcher>()

  constructor(onChange: (file: string) => void) {
    this.#onChange = onChange
  }

  /** Watches a file from now on. */
  add(file: string): void {
    if (this.#files.has(file)) return
    this.#files.set(file, '')
    void this.#look(file)
    const folder = dirname(file)
    if (this.#folders.has(folder)) return
    const watcher = watch(folder, (_, name) => {
      if (name !== null) void this.#look(join(folder, basename(name)))
    })
    // A folder that goes away takes its files with it: the next start says so.
    watcher.on('error', () => watcher.close())
    this.#folders.set(folder, watcher)
  }

  close(): void {
    for (const watcher of this.#folders.values()) watcher.close()
  }

  /** Reading a file, or its folder, also makes events: only another time or size is a change. */
  async #look(file: string): Promise<void> {
    const known = this.#files.get(file)
    if (known === undefined) return
    const found = await stat(file).catch(() => undefined)
    const now = found === undefined ? 'gone' : `${found.mtimeMs} ${found.size}`
    if (known === now) return
    this.#files.set(file, now)
    // A file that is gone is about to be replaced; a change is told when it is there.
    if (known !== '' && now !== 'gone') this.#onChange(file)
  }
}
