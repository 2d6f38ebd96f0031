/**
 * Records that a module makes. Deterministic generators replay: the position is how many were taken,
 * and after a restart as many are passed over.
 */
import {
  type PollResult,
  type Source,
  type SourceInput,
  type InputPosition,
  Undecodable,
} from './source.ts'
import { decodeJson } from './format/json.ts'
import { reasonOf, UserCodeError } from '../errors.ts'
import type { Clock } from '../time/clock.ts'

/** The default export of a generator module. A text is a raw JSON line; anything else is the value. */
export type Generate = (options: unknown) => Iterable<unknown>

export interface GeneratorSourceOptions {
  readonly name: string
  readonly generate: Generate
  readonly options: unknown
  readonly clock: Clock
}

interface GeneratorPosition {
  readonly taken: number
  readonly startedAt: number
}

const RECORDS_PER_BATCH = 2_048

export class GeneratorSource implements Source {
  readonly #options: GeneratorSourceOptions

  constructor(options: GeneratorSourceOptions) {
    this.#options = options
  }

  inputs(): Promise<readonly SourceInput[]> {
    return Promise.resolve([new GeneratorInput(this.#options)])
  }
}

class GeneratorInput implements SourceInput {
  readonly id: string
  readonly hasBacklog = true
  readonly #options: GeneratorSourceOptions
  #items: Iterator<unknown> = [].values()
  #taken = 0
  #startedAt = 0

  constructor(options: GeneratorSourceOptions) {
    this.id = `${options.name}/0`
    this.#options = options
  }

  open(position: InputPosition | undefined): Promise<InputPosition> {
    const { generate, options, clock } = this.#options
    const from = position as GeneratorPosition | undefined
    this.#startedAt = from?.startedAt ?? clock.now()
    this.#taken = 0
    this.#items = this.#guarded(() => generate(options ?? {})[Symbol.iterator]())
    while (this.#taken < (from?.taken ?? 0)) {
      this.#next()
      this.#taken += 1
    }
    return Promise.resolve(this.#position())
  }

  #next(): IteratorResult<unknown> {
    return this.#guarded(() => this.#items.next())
  }

  /** What a generator throws is its author's to mend: trying again would only repeat it. */
  #guarded<Result>(call: () => Result): Result {
    const { name } = this.#options
    try {
      return call()
    } catch (error) {
      const position = `${name}#${this.#taken + 1}`
      throw new UserCodeError(
        `the generator of source '${name}' failed at record ${this.#taken + 1}: ${reasonOf(error)}`,
        { operator: name, key: undefined, position },
        { cause: error },
      )
    }
  }

  #position(): GeneratorPosition {
    return { taken: this.#taken, startedAt: this.#startedAt }
  }

  poll(): PollResult {
    const items: unknown[] = []
    while (items.length < RECORDS_PER_BATCH) {
      const next = this.#next()
      if (next.done === true) break
      items.push(next.value)
    }
    if (items.length === 0) return 'end'
    const first = this.#taken
    this.#taken += items.length
    return {
      values: items.map((item) =>
        typeof item === 'string' ? decodeJson(Buffer.from(item)) : item,
      ),
      times: this.#startedAt,
      after: this.#position(),
      positionAfter: (index) => ({ ...this.#position(), taken: first + index + 1 }),
      placeOf: (index) => `${this.#options.name}#${first + index + 1}`,
      bytesOf: (index) => Buffer.from(textOf(items[index])),
    }
  }

  ready(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#items.return?.()
    return Promise.resolve()
  }
}

const textOf = (item: unknown): string =>
  typeof item === 'string' ? item : item instanceof Undecodable ? item.reason : JSON.stringify(item)
