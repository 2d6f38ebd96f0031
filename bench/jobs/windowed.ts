// What the window benchmarks have in common: the same numbers, keys and sink; windows and aggregates differ.
import { type AnyAggregate, job, type JobDefinition, type WindowSpec } from 'millrace'
import * as z from 'zod'

const Numbered = z.object({ key: z.number(), n: z.number(), timestamp: z.number() })
export type Numbered = z.infer<typeof Numbered>

export const windowed = (
  name: string,
  windows: WindowSpec<Numbered>,
  aggregates: Readonly<Record<string, AnyAggregate<Numbered>>>,
  /** What of the results is written. */
  show = (value: Readonly<Record<string, unknown>>): object => value,
): JobDefinition =>
  job(name, ({ source, sink }) => {
    source('numbers', Numbered)
      .keyBy((numbered) => numbered.key)
      .window(windows)
      .aggregate('windows', aggregates)
      .map(({ key, value, window }) => ({ key, start: window.start, ...show(value) }))
      .to(sink('results'))
  })

/** Of ten numbers the last: how lists are written is not what is measured. */
export function tenth({ min, top }: Readonly<Record<string, unknown>>): object {
  return { min, tenth: (top as readonly Numbered[]).at(-1)?.n }
}
