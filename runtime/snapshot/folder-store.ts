/** Snapshots in a folder: a folder each, with its parts as files, and `manifest.json` when it is whole. */
import { existsSync, readSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { invariant, reasonOf, StateError, UnavailableError } from '../errors.ts'
import { syncPath } from '../state/sync-path.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { isPartName } from './manifest-guard.ts'
import { isSnapshotId, PART_BYTES_MAX } from './snapshot.ts'
import {
  alreadyPublished,
  type SnapshotStore,
  type TornSnapshot,
  unknownSnapshot,
} from './snapshot-store.ts'
import { writeAll } from './whole-file.ts'

const MANIFEST = 'manifest.json'
/** Stays in the cache of a core. */
const PIECE_BYTES = 256 * 1024
const MANIFEST_BYTES_MAX = 64 * 1024 * 1024

export class FolderStore implements SnapshotStore {
  readonly where: string

  constructor(folder: string) {
    this.where = folder
  }

  async putPart(id: string, name: string, bytes: Uint8Array): Promise<void> {
    const folder = this.#folderOf(id)
    await this.#written(async () => {
      await mkdir(folder, { recursive: true })
      if (existsSync(join(folder, MANIFEST))) throw alreadyPublished(id, this.where)
      await writeDurably(this.#fileOf(id, name), bytes)
    })
  }

  async publish(id: string, manifest: Uint8Array): Promise<void> {
    const folder = this.#folderOf(id)
    const path = join(folder, MANIFEST)
    await this.#written(async () => {
      await mkdir(folder, { recursive: true })
      if (existsSync(path)) throw alreadyPublished(id, this.where)
      await writeDurably(`${path}.new`, manifest)
      // The names of the parts are durable before that of the manifest.
      await syncPath(folder)
      await syncPath(this.where)
      await syncPath(dirname(this.where))
      await rename(`${path}.new`, path)
      await syncPath(folder)
    })
  }

  async list(): Promise<string[]> {
    const ids = await this.#ids()
    return ids.filter((id) => existsSync(join(this.#folderOf(id), MANIFEST)))
  }

  async torn(): Promise<TornSnapshot[]> {
    const torn: TornSnapshot[] = []
    for (const id of await this.#ids()) {
      const folder = this.#folderOf(id)
      if (existsSync(join(folder, MANIFEST))) continue
      const found = await stat(folder).catch(() => undefined)
      if (found !== undefined) torn.push({ id, changedAt: found.mtimeMs })
    }
    return torn
  }

  async readManifest(id: string): Promise<Uint8Array> {
    if (!isSnapshotId(id)) throw unknownSnapshot(id, this.where)
    const path = join(this.#folderOf(id), MANIFEST)
    const missing = unknownSnapshot(id, this.where)
    return await this.#reading(missing, async () => {
      const { size } = await stat(path)
      if (size > MANIFEST_BYTES_MAX) throw missing
      return await readFile(path)
    })
  }

  /**
   * Read in place: whoever reads parts has nothing else to do, and bytes that stay in the processor's cache
   * until they are hashed and written cost a fraction of those that go through its memory.
   */
  async *readPart(id: string, name: string): AsyncGenerator<Uint8Array> {
    const missing = new DamagedSnapshotError(id, `part ${name} is missing in ${this.where}`)
    const path = this.#fileOf(id, name)
    const file = await this.#reading(missing, async () => await open(path, 'r'))
    try {
      const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES)
      for (let bytes = 0, length = 0; length <= PART_BYTES_MAX; length += bytes) {
        bytes = await this.#reading(missing, () => readSync(file.fd, buffer))
        if (bytes === 0) return
        yield buffer.subarray(0, bytes)
      }
    } finally {
      await file.close()
    }
  }

  async remove(id: string): Promise<void> {
    const folder = this.#folderOf(id)
    await this.#written(async () => {
      // Without its manifest it is no longer a snapshot, however far the rest gets.
      await rm(join(folder, MANIFEST), { force: true })
      if (existsSync(folder)) await syncPath(folder)
      await rm(folder, { recursive: true, force: true })
    })
  }

  async close(): Promise<void> {
    await Promise.resolve()
  }

  async #ids(): Promise<string[]> {
    try {
      const names = await readdir(this.where)
      return names.filter(isSnapshotId).toSorted()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw this.#problem('read', error)
    }
  }

  async #reading<Result>(
    otherwise: StateError,
    read: () => Result | Promise<Result>,
  ): Promise<Result> {
    try {
      return await read()
    } catch (error) {
      if (error instanceof StateError) throw error
      if (codeOf(error) === 'ENOENT') throw otherwise
      throw this.#problem('read', error)
    }
  }

  async #written(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      if (error instanceof StateError) throw error
      throw this.#problem('written', error)
    }
  }

  #problem(done: 'read' | 'written', error: unknown): UnavailableError {
    return new UnavailableError(
      `the snapshot folder ${this.where} cannot be ${done}: ${reasonOf(error)}. Make room there, or bring it back.`,
      { cause: error },
    )
  }

  #folderOf(id: string): string {
    invariant(isSnapshotId(id), `'${id}' is a snapshot's id`)
    return join(this.where, id)
  }

  #fileOf(id: string, name: string): string {
    invariant(isPartName(name), `'${name}' is a part's name`)
    return join(this.#folderOf(id), name)
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w')
  try {
    await writeAll(file, bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
