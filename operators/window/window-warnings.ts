import { GlobalWindows } from './global.ts'
import { SlidingWindows } from './sliding.ts'
import type { WindowSpec } from './window-spec.ts'

/**
 * What is allowed in windows and seldom meant, as sentences for people.
 * @param usesIncrementalAggregate whether values are folded as they come, rather than collected.
 */
export function windowWarnings(
  spec: WindowSpec<never>,
  usesIncrementalAggregate: boolean,
): string[] {
  const { trigger, evictor, latenessMs } = spec.options
  const warnings: string[] = []
  if (spec instanceof SlidingWindows && spec.slideMs > spec.sizeMs) {
    warnings.push(
      `the windows start every ${spec.slideMs} ms and are ${spec.sizeMs} ms long: records between them are in no window`,
    )
  }
  if (spec instanceof GlobalWindows) {
    const endless = trigger?.firesEndless ?? 'never'
    if (endless === 'never') {
      warnings.push(
        `a global window has no end and its trigger ${trigger?.label ?? 'never()'} never fires: there will be no result; give it another, as onCount(100)`,
      )
    }
    if (endless === 'atEnd') {
      warnings.push(
        `a global window has no end: its trigger ${trigger?.label} fires at the end of bounded inputs only`,
      )
    }
  }
  if (evictor !== undefined && usesIncrementalAggregate) {
    warnings.push(
      `the evictor ${evictor.evictor.label} needs every record: they are all kept, and the aggregate is computed anew at each firing`,
    )
  }
  if (latenessMs > 0 && spec.clock === 'processing') {
    warnings.push('windows of processing time have no late records: allowedLateness does nothing')
  }
  return warnings
}
