/** Which history of its job a state belongs to: going back to a snapshot begins another one. */
import { decodeRow, encodeRow } from '../state/row-codec.ts'
import type { StoreReader, StoreWriter } from '../state/store.ts'

export interface Lineage {
  /** 0 until the state is restored for the first time. */
  readonly generation: number
  /** The snapshot it went on from. */
  readonly restoredFrom?: string
}

const LINEAGE_KEY = Buffer.from('lineage')

export function readLineage(store: StoreReader): Lineage {
  const bytes = store.get('meta', LINEAGE_KEY)
  return bytes === undefined
    ? { generation: 0 }
    : (decodeRow(bytes, 'the lineage row').value as Lineage)
}

export function writeLineage(writer: StoreWriter, lineage: Lineage, epoch: number): void {
  writer.put('meta', LINEAGE_KEY, encodeRow(lineage, epoch))
}
