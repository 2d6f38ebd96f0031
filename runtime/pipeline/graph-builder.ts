import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Step } from '../../operators/operator.ts'
import type { Watermarks } from '../../operators/watermark.ts'
import type { WindowSpec } from '../../operators/window/window-spec.ts'
import { ConfigError } from '../errors.ts'
import {
  type AnyOperator,
  type Graph,
  type GraphNode,
  type NodeId,
  type OnError,
  sharedName,
} from './graph.ts'

interface Options {
  readonly name?: string
  readonly onError?: OnError
  /** Whether its keys share state, which is kept under a name of its own. */
  readonly shares?: boolean
  /** What is allowed and seldom meant, for `millrace plan`. */
  readonly warnings?: readonly string[]
  /** What its state is made for beside its cells. */
  readonly layout?: string
  /** The windows that it keeps, for `millrace explain`. */
  readonly windows?: WindowSpec<never>
}

/** Collects the nodes of a job; says at once what is wrong with a definition. */
export class GraphBuilder {
  readonly #job: string
  readonly #nodes: GraphNode[] = []
  readonly #names = new Set<string>()

  constructor(job: string) {
    this.#job = job
  }

  source(
    name: string,
    schema: StandardSchemaV1,
    time?: (value: unknown) => number,
    watermarks?: Watermarks<unknown>,
  ): NodeId {
    const known = this.#nodes.find((node) => node.kind === 'source' && node.name === name)
    if (known !== undefined) {
      throw new ConfigError(
        `job '${this.#job}': source '${name}' is declared twice; keep its stream in a variable and use that`,
      )
    }
    if (schema?.['~standard']?.validate === undefined) {
      throw new ConfigError(
        `job '${this.#job}': the schema of source '${name}' is not a Standard Schema; use a schema of zod, valibot or arktype`,
      )
    }
    return this.#add((id) => ({ kind: 'source', id, name, schema, time, watermarks }))
  }

  step(input: NodeId, label: string, step: Step, { name, onError }: Options): NodeId {
    return this.#add((id) => ({
      kind: 'step',
      id,
      input,
      name: name ?? `${label}#${id}`,
      label,
      step,
      onError,
    }))
  }

  union(inputs: readonly NodeId[]): NodeId {
    return this.#add((id) => ({ kind: 'union', id, inputs }))
  }

  /** A stateful operator: its name is where its state is found again. */
  keyed(
    inputs: readonly NodeId[],
    name: string,
    label: string,
    make: () => AnyOperator,
    { onError, shares = false, warnings = [], layout, windows }: Options,
  ): NodeId {
    this.#claim(name, 'operator')
    if (shares) this.#claim(sharedName(name), 'operator')
    return this.#add((id) => ({
      kind: 'keyed',
      id,
      inputs,
      name,
      label,
      make,
      onError,
      warnings,
      layout,
      windows,
    }))
  }

  side(input: NodeId, side: string): NodeId {
    return this.#add((id) => ({ kind: 'side', id, input, side }))
  }

  sink(input: NodeId, name: string, keyed: boolean): void {
    this.#claim(name, 'sink')
    this.#add((id) => ({ kind: 'sink', id, input, name, keyed }))
  }

  build(): Graph {
    if (!this.#nodes.some((node) => node.kind === 'sink')) {
      throw new ConfigError(`job '${this.#job}' has no sink: end a stream with .to(sink('name'))`)
    }
    return { job: this.#job, nodes: this.#nodes }
  }

  #claim(name: string, what: 'operator' | 'sink'): void {
    if (typeof name !== 'string' || !/^[\p{L}\p{N}_.-]{1,64}$/u.test(name)) {
      throw new ConfigError(
        `job '${this.#job}': ${what} name ${JSON.stringify(name)} must be 1 to 64 letters, digits, '_', '-' or '.'`,
      )
    }
    const claimed = `${what} ${name}`
    if (this.#names.has(claimed)) {
      const mend =
        what === 'operator'
          ? 'each needs its own, for state is kept under it'
          : 'give each its own, or join the streams with union first'
      throw new ConfigError(`job '${this.#job}': two ${what}s have the name '${name}'; ${mend}`)
    }
    this.#names.add(claimed)
  }

  #add(make: (id: NodeId) => GraphNode): NodeId {
    const id = this.#nodes.length
    this.#nodes.push(make(id))
    return id
  }
}
