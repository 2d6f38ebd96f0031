/**
 * What a state of windows can be used for, as text. Windows of another size, or with another aggregate, would
 * take its rows for their own.
 */
import type { WindowSpec } from '../../operators/window/window-spec.ts'

/** @param kept what is kept of each window: the kind of an aggregate. */
export function windowLayout(windows: WindowSpec<never>, kept: string): string {
  const { trigger, evictor, results } = windows.options
  const offsetMs = 'offsetMs' in windows ? Number(windows.offsetMs) : 0
  return [
    `${windows.clock} time`,
    windows.label,
    ...(offsetMs === 0 ? [] : [`offset ${offsetMs} ms`]),
    ...(trigger === undefined ? [] : [`trigger ${trigger.label}`]),
    ...(evictor === undefined ? [] : [`evictor ${evictor.evictor.label}`]),
    ...(results === 'accumulating' ? [] : [results]),
    kept,
  ].join(', ')
}
