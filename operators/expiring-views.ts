import type { CellSpec, TimeToLive } from './state.ts'
import { type Expiring, Life, type LifeClock } from './state/expiring.ts'
import { ExpiringList } from './state/expiring-list.ts'
import { ExpiringMap } from './state/expiring-map.ts'
import { ExpiringTimes } from './state/expiring-times.ts'
import { ExpiringValue } from './state/expiring-value.ts'
import { type Lifetime, lifetimeOf } from './state/time-to-live.ts'

type Cells = readonly (readonly [name: string, spec: CellSpec])[]

/**
 * An actor's cells, each with its own time to live or else the actor's.
 * @param operator names the operator in errors.
 * @throws RangeError when a time to live does not fit its cell.
 */
export function livingCells(
  operator: string,
  state: Readonly<Record<string, CellSpec>>,
  ttl: TimeToLive | undefined,
): Cells {
  return Object.entries(state).map(([name, spec]) => {
    const timeToLive = spec.timeToLive ?? ttl
    if (timeToLive === undefined) return [name, spec]
    const what = `operator '${operator}': ttl of '${name}'`
    refuseMisfit(spec, lifetimeOf(timeToLive, what), what)
    return [name, { ...spec, timeToLive }]
  })
}

/** The views of those cells that have a time to live, by the place of the cell. */
export function expiringViews(cells: Cells, lifeClock: LifeClock): (Expiring | undefined)[] {
  return cells.map(([name, spec]) => {
    if (spec.timeToLive === undefined) return undefined
    return viewOf(spec, new Life(lifetimeOf(spec.timeToLive, name), lifeClock))
  })
}

function viewOf({ kind }: CellSpec, life: Life): Expiring | undefined {
  switch (kind) {
    case 'value':
      return new ExpiringValue(life)
    case 'map':
      return new ExpiringMap(life)
    case 'list':
      return new ExpiringList(life)
    case 'byTime':
      return new ExpiringTimes(life)
    case 'timers':
    case 'runs':
      return undefined
  }
}

function refuseMisfit({ kind }: CellSpec, lifetime: Lifetime, what: string): void {
  if (lifetime.isRefreshedByReading && (kind === 'list' || kind === 'byTime')) {
    const since = kind === 'list' ? 'when it was pushed' : 'its own time'
    throw new RangeError(
      `${what}: reading does not refresh it, for its values live from ${since}; leave refresh out`,
    )
  }
  if (lifetime.clock === 'processing' && kind === 'byTime') {
    throw new RangeError(
      `${what}: its values live from their own event times; give it { eventTime: … } of its own`,
    )
  }
}
