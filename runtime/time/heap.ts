/** A binary min-heap of distinct numbers. */
export class Heap {
  readonly #items: number[] = []

  /** The smallest number, or +∞ of an empty heap. */
  get top(): number {
    return this.#items[0] ?? Number.POSITIVE_INFINITY
  }

  push(item: number): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((items[parent] as number) <= item) break
      items[at] = items[parent] as number
      at = parent
    }
    items[at] = item
  }

  pop(): void {
    const items = this.#items
    const last = items.pop()
    if (last === undefined || items.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number))
        child += 1
      if ((items[child] as number) >= last) break
      items[at] = items[child] as number
      at = child
    }
    items[at] = last
  }
}
