import { StateError } from '../errors.ts'

/** A snapshot that is there and is not what was written: the one before may do instead. */
export class DamagedSnapshotError extends StateError {
  /** @param id of the snapshot @param what is wrong with it */
  constructor(id: string, what: string, options?: ErrorOptions) {
    super(
      `snapshot ${id} is damaged: ${what}. Nothing was changed. Name another snapshot, or remove this one.`,
      options,
    )
  }
}
