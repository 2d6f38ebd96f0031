/** Snapshots in memory, and what can go wrong with them, on purpose. */
import { StateError, UnavailableError } from '../../runtime/errors.ts'
import { DamagedSnapshotError } from '../../runtime/snapshot/damaged-snapshot.ts'
import type { SnapshotStore, TornSnapshot } from '../../runtime/snapshot/snapshot-store.ts'

interface Kept {
  readonly parts: Map<string, Uint8Array>
  manifest: Uint8Array | undefined
  changedAt: number
}

export class MemorySnapshotStore implements SnapshotStore {
  readonly where = 'memory'
  readonly kept = new Map<string, Kept>()
  /** While set, nothing can be written. */
  problem: string | undefined
  /** Fails at the n-th write from now, counted from 1. */
  failAt = Number.POSITIVE_INFINITY
  now = 0

  async putPart(id: string, name: string, bytes: Uint8Array): Promise<void> {
    await this.#writable()
    const kept = this.#of(id)
    if (kept.manifest !== undefined) throw new StateError(`${id} is published`)
    kept.parts.set(name, Uint8Array.from(bytes))
    kept.changedAt = this.now
  }

  async publish(id: string, manifest: Uint8Array): Promise<void> {
    await this.#writable()
    const kept = this.#of(id)
    if (kept.manifest !== undefined) throw new StateError(`${id} is published`)
    kept.manifest = Uint8Array.from(manifest)
  }

  async list(): Promise<string[]> {
    await Promise.resolve()
    return [...this.kept].flatMap(([id, { manifest }]) => (manifest ? [id] : [])).toSorted()
  }

  async torn(): Promise<TornSnapshot[]> {
    await Promise.resolve()
    return [...this.kept].flatMap(([id, { manifest, changedAt }]) =>
      manifest ? [] : [{ id, changedAt }],
    )
  }

  async readManifest(id: string): Promise<Uint8Array> {
    await Promise.resolve()
    const manifest = this.kept.get(id)?.manifest
    if (manifest === undefined) throw new StateError(`there is no snapshot ${id}`)
    return manifest
  }

  async *readPart(id: string, name: string): AsyncGenerator<Uint8Array> {
    await Promise.resolve()
    const part = this.kept.get(id)?.parts.get(name)
    if (part === undefined) throw new DamagedSnapshotError(id, `part ${name} is missing`)
    yield part
  }

  async remove(id: string): Promise<void> {
    await this.#writable()
    this.kept.delete(id)
  }

  async close(): Promise<void> {
    await Promise.resolve()
  }

  async #writable(): Promise<void> {
    await Promise.resolve()
    this.failAt -= 1
    if (this.failAt <= 0) throw new UnavailableError('the snapshot store is full')
    if (this.problem !== undefined) throw new UnavailableError(this.problem)
  }

  #of(id: string): Kept {
    const kept = this.kept.get(id) ?? { parts: new Map(), manifest: undefined, changedAt: this.now }
    this.kept.set(id, kept)
    return kept
  }
}
