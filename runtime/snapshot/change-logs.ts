/** The logs of changes of all tasks of a job, and what they make of its next snapshot. */
import { reasonOf, StateError } from '../errors.ts'
import type { Store } from '../state/store.ts'
import { ChangeLog } from './change-log.ts'
import { mayGrow, readChain } from './chain.ts'
import { sha256 } from './manifest-codec.ts'
import { bytesOfParts, type TaskSnapshot } from './snapshot.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import type { TakenSnapshot, TaskCut } from './take-snapshot.ts'

/** Beyond this share of the bytes of a task's state its log is no longer worth its keep. */
const LOG_SHARE_MAX = 1 / 8
const LOG_BYTES_MIN = 1024 * 1024
const LOG_BYTES_MAX = 32 * 1024 * 1024

export class ChangeLogs {
  readonly #logs = new Map<string, ChangeLog>()

  /** The store of a task, its commits logged. Called again when the task opens its store again. */
  over(task: string, store: Store): Store {
    const log = this.#logs.get(task) ?? new ChangeLog()
    this.#logs.set(task, log)
    return log.over(store)
  }

  /** Called before the tasks are cut. */
  begin(): void {
    for (const log of this.#logs.values()) log.begin()
  }

  /**
   * What a snapshot of these cuts may stand on; undefined when it has to stand alone.
   * @param onUnusable told why the one before cannot be used.
   * @throws UnavailableError when the store cannot be read.
   */
  async baseOf(
    cuts: readonly TaskCut[],
    store: SnapshotStore,
    onUnusable: (reason: string) => void,
  ): Promise<TakenSnapshot | undefined> {
    const [base, ...others] = cuts.map(({ task, epoch }) => {
      const log = this.#logs.get(task)
      return log?.base !== undefined && log.covers(log.base.epoch, epoch) ? log.base : undefined
    })
    if (base === undefined || others.some((other) => other?.sha256 !== base.sha256))
      return undefined
    try {
      const chain = await readChain(store, base.id)
      if (sha256(await store.readManifest(base.id)) !== base.sha256) {
        throw new StateError(`snapshot ${base.id} is another one by now`)
      }
      if (!mayGrow(chain)) return undefined
      return { manifest: chain.at(-1) ?? chain[0], sha256: base.sha256 }
    } catch (error) {
      if (!(error instanceof StateError)) throw error
      onUnusable(reasonOf(error))
      return undefined
    }
  }

  /** A snapshot was published: the next one needs what changes behind it only. */
  standOn({ manifest, ...taken }: TakenSnapshot): void {
    for (const snapshot of manifest.tasks) {
      const { task, epoch } = snapshot
      const log = this.#logs.get(task)
      const logBytesMax = logBytesMaxOf(snapshot) ?? log?.base?.logBytesMax ?? LOG_BYTES_MIN
      log?.standOn({ id: manifest.id, sha256: taken.sha256, epoch, logBytesMax })
    }
  }
}

/** By the bytes of a whole copy; undefined for an increment, which does not know them. */
function logBytesMaxOf({ kind, parts }: TaskSnapshot): number | undefined {
  if (kind === 'changes') return undefined
  return Math.min(LOG_BYTES_MAX, Math.max(LOG_BYTES_MIN, bytesOfParts(parts) * LOG_SHARE_MAX))
}
