import type { Store, StoreView } from '../state/store.ts'

/** A view of a store, whose closing closes the store. */
export function viewThatCloses(store: Store): StoreView {
  const view = store.view()
  return {
    get: (table, key) => view.get(table, key),
    range: (table, range) => view.range(table, range),
    ...(view.pages !== undefined && { pages: view.pages }),
    close: () => void store.close(),
  }
}
