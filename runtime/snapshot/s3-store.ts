/**
 * Snapshots in a bucket of an S3 service: `<prefix>parts/<id>/<name>`, and `<prefix>manifests/<id>.json` when
 * it is whole. A manifest is put only where there is none.
 */
import { DamagedSnapshotError } from './damaged-snapshot.ts'
import { type S3Options, S3Requests } from './s3-requests.ts'
import { isSnapshotId } from './snapshot.ts'
import {
  alreadyPublished,
  type SnapshotStore,
  type TornSnapshot,
  unknownSnapshot,
} from './snapshot-store.ts'

const JSON_ENDING = '.json'

export interface S3StoreOptions extends S3Options {
  /** What all keys begin with; may be ''. */
  readonly prefix: string
}

export class S3Store implements SnapshotStore {
  readonly where: string
  readonly #requests: S3Requests
  readonly #manifests: string
  readonly #parts: string

  constructor(options: S3StoreOptions) {
    const { bucket, prefix, endpoint } = options
    this.#requests = new S3Requests(options)
    this.#manifests = `${prefix}manifests/`
    this.#parts = `${prefix}parts/`
    this.where = `s3://${bucket}/${prefix} of ${endpoint}`
  }

  async putPart(id: string, name: string, bytes: Uint8Array): Promise<void> {
    if (await this.#requests.has(this.#manifestOf(id))) throw alreadyPublished(id, this.where)
    await this.#requests.put(`${this.#parts}${id}/${name}`, bytes)
  }

  async publish(id: string, manifest: Uint8Array): Promise<void> {
    const key = this.#manifestOf(id)
    // Not every service knows the condition that a PUT can have.
    const outcome = (await this.#requests.has(key))
      ? 'exists'
      : await this.#requests.put(key, manifest, 'new')
    if (outcome === 'exists') throw alreadyPublished(id, this.where)
  }

  async list(): Promise<string[]> {
    const ids: string[] = []
    for await (const { objects } of this.#pages(this.#manifests)) {
      for (const { key } of objects) {
        const id = key.slice(this.#manifests.length, -JSON_ENDING.length)
        if (key.endsWith(JSON_ENDING) && isSnapshotId(id)) ids.push(id)
      }
    }
    return ids.toSorted()
  }

  async torn(): Promise<TornSnapshot[]> {
    const published = new Set(await this.list())
    const torn: TornSnapshot[] = []
    for await (const { prefixes } of this.#pages(this.#parts, '/')) {
      for (const prefix of prefixes) {
        const id = prefix.slice(this.#parts.length, -1)
        if (published.has(id) || !isSnapshotId(id)) continue
        torn.push({ id, changedAt: await this.#changedAt(prefix) })
      }
    }
    return torn
  }

  async readManifest(id: string): Promise<Uint8Array> {
    const pieces = isSnapshotId(id) ? await this.#requests.get(this.#manifestOf(id)) : undefined
    if (pieces === undefined) throw unknownSnapshot(id, this.where)
    const bytes: Uint8Array[] = []
    for await (const piece of pieces) bytes.push(piece)
    return Buffer.concat(bytes)
  }

  async *readPart(id: string, name: string): AsyncGenerator<Uint8Array> {
    const pieces = await this.#requests.get(`${this.#parts}${id}/${name}`)
    if (pieces === undefined) {
      throw new DamagedSnapshotError(id, `part ${name} is missing in ${this.where}`)
    }
    yield* pieces
  }

  async remove(id: string): Promise<void> {
    // Without its manifest it is no longer a snapshot, however far the rest gets.
    await this.#requests.remove(this.#manifestOf(id))
    for await (const { objects } of this.#pages(`${this.#parts}${id}/`)) {
      for (const { key } of objects) await this.#requests.remove(key)
    }
  }

  async close(): Promise<void> {
    await Promise.resolve()
  }

  #manifestOf(id: string): string {
    return `${this.#manifests}${id}${JSON_ENDING}`
  }

  async #changedAt(prefix: string): Promise<number> {
    let changedAt = 0
    for await (const { objects } of this.#pages(prefix)) {
      for (const object of objects) changedAt = Math.max(changedAt, object.changedAt)
    }
    return changedAt
  }

  async *#pages(prefix: string, delimiter?: '/') {
    let next: string | undefined
    do {
      const page = await this.#requests.page(prefix, delimiter, next)
      yield page
      next = page.next
    } while (next !== undefined)
  }
}
