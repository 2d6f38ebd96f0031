import { describe, expect, it } from 'vitest'
import {
  type CellOwner,
  INLINE_ENTRIES_MAX,
  list,
  ListCell,
  map,
  MapCell,
  type RowKey,
  type StateCell,
  value,
} from '../../operators/state.ts'
import { newSeed, randomFrom } from '../support/random.ts'

class Owner implements CellOwner {
  changes = 0
  undo: (() => void)[] | null = null
  changed(): void {
    this.changes += 1
  }
  rollback(): void {
    const undo = this.undo ?? []
    this.undo = null
    for (const takeBack of undo.toReversed()) takeBack()
  }
}

/** The rows of a key's cell, as the store has them after each commit. */
class Rows {
  inline: unknown
  readonly entries = new Map<RowKey, unknown>()

  commit(cell: StateCell): void {
    this.inline = structuredClone(cell.inline())
    cell.rows?.takeChanges((key, entry) => {
      if (entry === undefined) this.entries.delete(key)
      else this.entries.set(key, structuredClone(entry))
    })
  }

  load<Cell extends StateCell>(cell: Cell): Cell {
    cell.restoreInline(structuredClone(this.inline))
    if (cell.rows?.spilled === true) {
      for (const [key, entry] of this.entries) cell.rows.restoreEntry(key, structuredClone(entry))
    }
    return cell
  }
}

const ends = <Cell>(make: (owner: Owner) => Cell): [Cell, Owner] => {
  const owner = new Owner()
  return [make(owner), owner]
}

describe('a value cell', () => {
  it('is empty, set, and empty again', () => {
    const [cell, owner] = ends(value<number>().make)
    expect([cell.isEmpty, cell.get()]).toEqual([true, undefined])
    cell.set(0)
    expect([cell.isEmpty, cell.get(), owner.changes]).toEqual([false, 0, 1])
    cell.clear()
    cell.clear()
    expect([cell.isEmpty, owner.changes]).toEqual([true, 2])
  })
})

describe('a map cell', () => {
  it('writes its entries in its key’s row while they are few, and a row each once they are many', () => {
    const [cell] = ends(map<number, string>().make)
    const rows = new Rows()
    for (let i = 0; i < INLINE_ENTRIES_MAX; i++) cell.set(i, `v${i}`)
    rows.commit(cell)
    expect([rows.entries.size, (rows.inline as unknown[]).length]).toEqual([0, 32])
    cell.set(99, 'one more')
    rows.commit(cell)
    expect([rows.entries.size, rows.inline]).toEqual([17, null])
    cell.delete(3)
    cell.set(4, 'changed')
    const written: unknown[] = []
    cell.rows.takeChanges((key, entry) => written.push([key, entry]))
    expect(written).toEqual([
      [3, undefined],
      [4, 'changed'],
    ])
  })

  it('starts over in its key’s row once it was emptied', () => {
    const [cell] = ends(map<number, number>().make)
    const rows = new Rows()
    for (let i = 0; i < 30; i++) cell.set(i, i)
    rows.commit(cell)
    cell.clear()
    rows.commit(cell)
    expect(rows.entries.size).toBe(0)
    cell.set(1, 1)
    rows.commit(cell)
    expect([rows.entries.size, rows.inline]).toEqual([0, [1, 1]])
  })

  it('is in the order of its keys, however they came', () => {
    const keys = ['b', 10, 'a', 9, '', -1, '10']
    const [cell] = ends(map<string | number, number>().make)
    for (const [i, key] of keys.entries()) cell.set(key, i)
    expect([...cell.keys()]).toEqual([-1, 9, 10, '', '10', 'a', 'b'])
    expect([...cell.values()]).toEqual([5, 3, 1, 4, 6, 2, 0])
    cell.delete('a')
    cell.set('aa', 7)
    expect([...cell].map(([key]) => key)).toEqual([-1, 9, 10, '', '10', 'aa', 'b'])
  })

  it('may be changed while it is walked', () => {
    const [cell] = ends(map<number, number>().make)
    for (let i = 0; i < 5; i++) cell.set(i, i)
    for (const [key] of cell) {
      cell.delete(key)
      cell.set(key + 10, key)
    }
    expect([...cell.keys()]).toEqual([10, 11, 12, 13, 14])
  })

  it('refuses undefined, which an absent entry has', () => {
    const [cell] = ends(map<string, undefined>().make)
    expect(() => cell.set('a', undefined)).toThrow(TypeError)
  })

  it('keeps keys apart that look alike', () => {
    const [cell] = ends(map<string | number, string>().make)
    for (const key of ['__proto__', 'constructor', '1', 1, '', 'é', 'e\u0301']) {
      cell.set(key, `${typeof key} ${key}`)
    }
    expect(cell.size).toBe(7)
    for (const [key, entry] of cell) expect(entry).toBe(`${typeof key} ${key}`)
  })
})

describe('a list cell', () => {
  it('is as before when a turn that emptied it is taken back', () => {
    const [cell, owner] = ends(list<string>().make)
    for (const text of ['a', 'b', 'c']) cell.push(text)
    owner.undo = []
    cell.clear()
    expect(cell.shift()).toBeUndefined()
    owner.rollback()
    cell.push('d')
    expect(cell.toArray()).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('collections', () => {
  it('agree with a Map and an Array under random turns, taken back or kept, written and loaded', () => {
    const seed = newSeed()
    for (let round = 0; round < 40; round++) {
      const random = randomFrom(seed + round)
      const below = (limit: number): number => Math.floor(random() * limit)
      let [cell, owner] = ends((o) => map<number, number>().make(o))
      let [array] = ends(() => list<number>().make(owner))
      const [mapRows, listRows] = [new Rows(), new Rows()]
      mapRows.commit(cell)
      listRows.commit(array)
      let [expectedMap, expectedList] = [new Map<number, number>(), [] as number[]]
      let committed = { map: new Map<number, number>(), list: [] as number[] }
      for (let turn = 0; turn < 60; turn++) {
        const before = { map: new Map(expectedMap), list: [...expectedList] }
        owner.undo = []
        for (let change = below(12); change > 0; change--) {
          const choice = random()
          const key = below(30)
          if (choice < 0.35) {
            cell.set(key, turn)
            expectedMap.set(key, turn)
          } else if (choice < 0.5) expect(cell.delete(key)).toBe(expectedMap.delete(key))
          else if (choice < 0.8) {
            array.push(turn)
            expectedList.push(turn)
          } else if (choice < 0.96) expect(array.shift()).toBe(expectedList.shift())
          else if (choice < 0.98) {
            cell.clear()
            expectedMap.clear()
          } else {
            array.clear()
            expectedList = []
          }
        }
        if (random() < 0.3) {
          owner.rollback()
          expectedMap = before.map
          expectedList = before.list
        }
        owner.undo = null
        if (random() < 0.3) {
          mapRows.commit(cell)
          listRows.commit(array)
          committed = { map: new Map(expectedMap), list: [...expectedList] }
        }
        if (random() < 0.1) {
          owner = new Owner()
          cell = mapRows.load(new MapCell<number, number>(owner))
          array = listRows.load(new ListCell<number>(owner))
          expectedMap = new Map(committed.map)
          expectedList = [...committed.list]
        }
        const hint = `seed ${seed + round}, turn ${turn}`
        expect([...cell], hint).toEqual([...expectedMap].toSorted(([a], [b]) => a - b))
        expect(cell.size, hint).toBe(expectedMap.size)
        expect(array.toArray(), hint).toEqual(expectedList)
        expect(array.length, hint).toBe(expectedList.length)
        expect(array.at(0), hint).toBe(expectedList[0])
        expect([cell.isEmpty, array.isEmpty], hint).toEqual([
          expectedMap.size === 0,
          expectedList.length === 0,
        ])
      }
    }
  })
})
