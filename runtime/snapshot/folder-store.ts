/** Snapshots in a folder: a folder each, with its parts as files, and `manifest.json` when it is whole. */
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { invariant, reasonOf, StateError, UnavailableError } from '../errors.ts'
import { syncPath } from '../state/sync-path.ts'
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { isPartName } from './manifest-guard.ts'
import { isSnapshotId, PART_BYTES_MAX } from './snapshot.ts'
import type { SnapshotStore, TornSnapshot } from './snapshot-store.ts'

const MANIFEST = 'manifest.json'
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
      if (existsSync(join(folder, MANIFEST))) throw published(id, this.where)
      await writeDurably(this.#fileOf(id, name), bytes)
    })
  }

  async publish(id: string, manifest: Uint8Array): Promise<void> {
    const folder = this.#folderOf(id)
    const path = join(folder, MANIFEST)
    await this.#written(async () => {
      await mkdir(folder, { recursive: true })
      if (existsSync(path)) throw published(id, this.where)
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
    if (!isSnapshotId(id)) throw unknown(id, this.where)
    return await this.#read(
      join(this.#folderOf(id), MANIFEST),
      MANIFEST_BYTES_MAX,
      unknown(id, this.where),
    )
  }

  async readPart(id: string, name: string): Promise<Uint8Array> {
    return await this.#read(
      this.#fileOf(id, name),
      PART_BYTES_MAX,
      new DamagedSnapshotError(id, `part ${name} is missing in ${this.where}`),
    )
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

  async #ids(): Promise<string[]> {
    try {
      const names = await readdir(this.where)
      return names.filter(isSnapshotId).toSorted()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw this.#problem('read', error)
    }
  }

  async #read(path: string, bytesMax: number, otherwise: StateError): Promise<Uint8Array> {
    try {
      const { size } = await stat(path)
      if (size > bytesMax) throw otherwise
      return await readFile(path)
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
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

const published = (id: string, where: string): StateError =>
  new StateError(`snapshot ${id} is in ${where} already; it was not changed`)

const unknown = (id: string, where: string): StateError =>
  new StateError(
    `there is no snapshot ${id} in ${where}. 'millrace snapshot ls' shows those that are there.`,
  )

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
