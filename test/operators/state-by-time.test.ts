import { describe, expect, it } from 'vitest'
import {
  byTime,
  type CellOwner,
  INLINE_ENTRIES_MAX,
  type RowKey,
  type RowReader,
  type StateCell,
  TimeCell,
  type TimedKey,
} from '../../operators/state.ts'
import { newSeed, randomFrom } from '../support/random.ts'

class Owner implements CellOwner {
  undo: (() => void)[] | null = null
  changed(): void {}
  rollback(): void {
    const undo = this.undo ?? []
    this.undo = null
    for (const takeBack of undo.toReversed()) takeBack()
  }
}

const compare = ([time, sequence]: TimedKey, [other, otherSequence]: TimedKey): number =>
  time < other ? -1 : time > other ? 1 : sequence - otherSequence

/** The rows of a cell in a store; what was written is committed a while later. */
class Rows {
  inline: unknown = []
  #entries: (readonly [TimedKey, unknown])[] = []
  readonly #inFlight: (() => void)[] = []
  /** How many rows were read. */
  reads = 0

  get count(): number {
    return this.#entries.length
  }

  write(cell: StateCell): void {
    const inline = structuredClone(cell.inline())
    this.#inFlight.push(() => {
      this.inline = inline
    })
    cell.rows?.takeChanges((rowKey: RowKey, entry) => {
      const key = rowKey as TimedKey
      this.#inFlight.push(() => {
        this.#entries = this.#entries.filter(([other]) => compare(other, key) !== 0)
        if (entry !== undefined) this.#entries.push([key, entry])
      })
    })
  }

  commit(): void {
    for (const apply of this.#inFlight.splice(0)) apply()
    this.#entries.sort(([a], [b]) => compare(a, b))
  }

  readonly #reader: RowReader = (from, to, limit = Number.POSITIVE_INFINITY) => {
    const found = this.#entries.filter(
      ([key]) => compare(key, from as TimedKey) >= 0 && compare(key, to as TimedKey) < 0,
    )
    const rows = found.slice(0, limit)
    this.reads += rows.length
    return rows
  }

  load(owner: CellOwner): TimeCell<string> {
    const cell = new TimeCell<string>(owner)
    cell.restoreInline(structuredClone(this.inline))
    if (cell.spilled) cell.attach(this.#reader)
    return cell
  }
}

const many = (count: number): TimeCell<string> => {
  const cell = byTime<string>().make(new Owner())
  for (let time = 0; time < count; time++) cell.add(time, `v${time}`)
  return cell
}

describe('a cell by time', () => {
  it('keeps several values a time in the order in which they came', () => {
    const cell = many(0)
    for (const [time, text] of [
      [20, 'a'],
      [10, 'b'],
      [20, 'c'],
      [-5, 'd'],
      [10, 'e'],
    ] as const) {
      cell.add(time, text)
    }
    expect(cell.range()).toEqual([
      [-5, 'd'],
      [10, 'b'],
      [10, 'e'],
      [20, 'a'],
      [20, 'c'],
    ])
    expect(cell.at(10)).toEqual(['b', 'e'])
    expect(cell.range(10, 20)).toEqual([
      [10, 'b'],
      [10, 'e'],
    ])
    expect([cell.first, cell.last, cell.size]).toEqual([-5, 20, 5])
    expect([cell.deleteBefore(10), cell.delete(20), cell.delete(20)]).toEqual([1, 2, 0])
    expect([cell.first, cell.last, cell.size]).toEqual([10, 10, 2])
    cell.clear()
    expect([cell.first, cell.last, cell.isEmpty]).toEqual([undefined, undefined, true])
  })

  it('refuses what is no time, and undefined', () => {
    expect(() => many(0).add(Number.NaN, 'x')).toThrow(/not a time/)
    expect(() => many(0).add(Number.POSITIVE_INFINITY, 'x')).toThrow(RangeError)
    expect(() => new TimeCell<undefined>(new Owner()).add(1, undefined)).toThrow(TypeError)
  })

  it('is written in its key’s row while it is small, and then a row an entry', () => {
    const rows = new Rows()
    const cell = many(INLINE_ENTRIES_MAX)
    rows.write(cell)
    rows.commit()
    expect(rows.count).toBe(0)
    cell.add(3, 'again')
    rows.write(cell)
    rows.commit()
    expect(rows.count).toBe(INLINE_ENTRIES_MAX + 1)
    cell.deleteBefore(10)
    cell.add(99, 'new')
    const written: unknown[] = []
    cell.takeChanges((key, entry) => written.push([key, entry]))
    expect(written).toHaveLength(12)
    expect(written.at(-1)).toEqual([[99, 17], 'new'])
  })

  it('reads of its rows what it is asked for', () => {
    const rows = new Rows()
    rows.write(many(5_000))
    rows.commit()
    const cell = rows.load(new Owner())
    expect([cell.size, cell.last, cell.isEmpty, rows.reads]).toEqual([5_000, 4_999, false, 0])
    cell.add(6_000, 'new')
    cell.add(2_001, 'between')
    expect(rows.reads).toBe(0)
    expect(cell.range(2_000, 2_003).map(([, text]) => text)).toEqual([
      'v2000',
      'v2001',
      'between',
      'v2002',
    ])
    expect(rows.reads).toBe(3)
    expect(cell.range(2_000, 2_003)).toHaveLength(4)
    expect(rows.reads).toBe(3)
    expect(cell.deleteBefore(100)).toBe(100)
    expect(rows.reads).toBe(103)
    expect([cell.first, cell.last, cell.size]).toEqual([100, 6_000, 4_902])
    expect(rows.reads).toBeLessThan(110)
    expect(cell.entriesInMemory).toBeLessThan(10)
  })

  it('agrees with a list under random turns, taken back or kept, in flight, loaded and half read', () => {
    const seed = newSeed()
    for (let round = 0; round < 150; round++) {
      const random = randomFrom(seed + round)
      const below = (limit: number): number => Math.floor(random() * limit)
      const span = [8, 40, 400][below(3)] as number
      const rows = new Rows()
      let owner = new Owner()
      let cell = new TimeCell<string>(owner)
      let expected: (readonly [number, string])[] = []
      let written = expected
      for (let turn = 0; turn < 80; turn++) {
        const hint = `seed ${seed + round}, turn ${turn}`
        const before = expected
        owner.undo = []
        for (let change = below(14); change > 0; change--) {
          const [choice, time] = [random(), below(span) - 5]
          if (choice < 0.7) {
            const text = `${turn}.${change}`
            cell.add(time, text)
            expected = [...expected, [time, text] as const].toSorted(([a], [b]) => a - b)
          } else if (choice < 0.78) {
            const left = expected.filter(([at]) => at >= time)
            expect(cell.deleteBefore(time), hint).toBe(expected.length - left.length)
            expected = left
          } else if (choice < 0.83) {
            const left = expected.filter(([at]) => at !== time)
            expect(cell.delete(time), hint).toBe(expected.length - left.length)
            expected = left
          } else if (choice < 0.84) {
            cell.clear()
            expected = []
          } else if (choice < 0.88) {
            expect([cell.first, cell.last], hint).toEqual([expected[0]?.[0], expected.at(-1)?.[0]])
          } else {
            const to = time + below(10)
            const inside = expected.filter(([at]) => at >= time && at < to)
            expect(cell.range(time, to), hint).toEqual(inside)
            const there = expected.flatMap(([at, text]) => (at === time ? [text] : []))
            expect(cell.at(time), hint).toEqual(there)
          }
        }
        if (random() < 0.3) {
          owner.rollback()
          expected = before
        }
        owner.undo = null
        expect([cell.size, cell.isEmpty], hint).toEqual([expected.length, expected.length === 0])
        if (random() < 0.3) {
          rows.write(cell)
          written = expected
        }
        if (random() < 0.5) rows.commit()
        if (random() < 0.15) {
          // Eviction only follows a commit of everything; a crash goes back to what was written.
          rows.commit()
          owner = new Owner()
          cell = rows.load(owner)
          expected = written
        }
      }
      expect(cell.range(), `seed ${seed + round}`).toEqual(expected)
    }
  })
})
