/** What of a job's snapshots is kept. */
import { idsOfChain } from './chain.ts'
import { jobPart, readSnapshotId } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** A torn snapshot may be one that is being copied here: it is left alone for so long. */
const TORN_MS_MIN = 3_600_000

/** Ids of a job's snapshots, the newest moment last. */
export async function snapshotsOf(store: SnapshotStore, job: string): Promise<string[]> {
  const part = jobPart(job)
  return (await store.list()).filter((id) => readSnapshotId(id)?.jobPart === part)
}

/**
 * Removes all of a job's snapshots but the newest, what these stand on, and the newest that stands on
 * none of it: one damaged part must not be able to spoil all that is kept. Gives the ids of what was removed.
 */
export async function keepNewest(
  store: SnapshotStore,
  job: string,
  keep: number,
): Promise<string[]> {
  const ids = await snapshotsOf(store, job)
  const kept = new Set<string>()
  for (const id of ids.slice(-keep)) for (const each of await idsOfChain(store, id)) kept.add(each)
  if (keep > 1) await keepApart(store, ids, kept)
  const old = ids.filter((id) => !kept.has(id))
  // What stands on others goes before them.
  for (const id of old.toReversed()) await store.remove(id)
  return old
}

/** Adds the newest that does not share its first snapshot with the newest of all. */
async function keepApart(
  store: SnapshotStore,
  ids: readonly string[],
  kept: Set<string>,
): Promise<void> {
  let newest: string | undefined
  for (const id of ids.toReversed()) {
    const chain = await idsOfChain(store, id)
    newest ??= chain[0]
    if (chain[0] === newest) continue
    for (const each of chain) kept.add(each)
    return
  }
}

export interface CollectOptions {
  readonly job: string
  /** The caller is the only one who takes snapshots of this state: what is torn of it is over. */
  readonly stateCreatedAt: number | undefined
  readonly now: number
}

/** Removes what was begun and will not be finished; gives the ids. */
export async function collectTorn(
  store: SnapshotStore,
  { job, stateCreatedAt, now }: CollectOptions,
): Promise<string[]> {
  const collected: string[] = []
  for (const { id, changedAt } of await store.torn()) {
    const found = readSnapshotId(id)
    if (found?.jobPart !== jobPart(job)) continue
    const isOwn = found.stateCreatedAt === stateCreatedAt
    if (!isOwn && now - changedAt < TORN_MS_MIN) continue
    await store.remove(id)
    collected.push(id)
  }
  return collected
}
