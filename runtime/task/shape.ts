/**
 * What a job asks of its state, and whether a state can be used for it. A state of another shape is refused
 * with every difference, unless the job says how to go on: upcasters bring an operator's state to a new
 * version, and what is dropped is named.
 */
import { StateError } from '../errors.ts'
import type { DroppedNumbers, EarlierShape, JobRow, OperatorRow, PlaceRow } from './meta.ts'

/** What an operator of a job asks of its state. */
export interface OperatorShape extends Pick<OperatorRow, 'version' | 'cells' | 'layout'> {
  /** Versions from which there is an upcaster to the next. */
  readonly upcasts?: readonly number[]
}

/** What a job's graph asks of its state. */
export interface Shape {
  readonly job: string
  readonly operators: Readonly<Record<string, OperatorShape>>
  readonly destinations: readonly string[]
  readonly sources: readonly string[]
  /** Operators, sources and sinks whose part of the state is no longer wanted. */
  readonly dropped?: readonly string[]
}

type StoredShape = Pick<JobRow, 'job' | 'operators' | 'destinations' | 'sources'>

export interface FreshState {
  readonly run: string
  readonly task: string
  readonly createdAt: number
  readonly place?: PlaceRow
}

/**
 * The job row for a shape: the stored one with what is new, or a fresh one.
 * @param lastEpoch the newest epoch in the store: rows up to it have the shapes of the stored row.
 * @throws StateError when the state is of another job, or of another shape; nothing was changed.
 */
export function reconcile(
  stored: JobRow | undefined,
  shape: Shape,
  fresh: FreshState,
  lastEpoch: number,
): JobRow {
  if (stored !== undefined) {
    refuseOtherPlace(stored.place, fresh.place)
    refuseOtherShape(stored, shape)
  }
  const operators = rowsOf(stored, shape, lastEpoch)
  const destinations = destinationsOf(stored, shape)
  const dropped = droppedOf(stored, shape)
  return {
    job: shape.job,
    task: stored?.task ?? fresh.task,
    run: stored?.run ?? fresh.run,
    createdAt: stored?.createdAt ?? fresh.createdAt,
    operators,
    destinations,
    sources: shape.sources,
    ...(dropped.operators.length + dropped.destinations.length > 0 && { dropped }),
    ...(fresh.place !== undefined && { place: fresh.place }),
  }
}

/** How a job whose stages have changed goes on with its state: one task has no stages. */
export const OTHER_STAGES =
  'Nothing was changed. Run the job as it was once with --set parallelism=1 --set processes=1, stop it, and run the changed one in the same way, behind that with as many tasks as you like; or start afresh with another --state.'

/** The caller moves a state to another parallelism before its tasks are opened. */
function refuseOtherPlace(stored: PlaceRow | undefined, now: PlaceRow | undefined): void {
  const text = (place: PlaceRow | undefined): string =>
    place === undefined
      ? 'the only task'
      : `task ${place.partition + 1} of ${place.tasks} of stage '${place.stage}'`
  if (text(stored) === text(now)) return
  throw new StateError(
    `this state is of ${text(stored)}, and is opened as ${text(now)}: the job's stages are others now. ${OTHER_STAGES}`,
  )
}

function rowsOf(
  stored: JobRow | undefined,
  shape: Shape,
  lastEpoch: number,
): Record<string, OperatorRow> {
  const known = stored?.operators ?? {}
  // A number is not given again while rows under it may be there.
  const used = [
    ...Object.values(known).map(({ number }) => number),
    ...(stored?.dropped?.operators ?? []),
  ]
  let next = Math.max(-1, ...used) + 1
  return Object.fromEntries(
    Object.entries(shape.operators).map(([name, { version, cells, layout }]) => {
      // Dropped, and still in the job: it begins afresh.
      const isDropped = shape.dropped?.includes(name) === true
      const row = isDropped || !Object.hasOwn(known, name) ? undefined : known[name]
      return [
        name,
        {
          number: row?.number ?? next++,
          version,
          cells,
          ...(layout !== undefined && { layout }),
          ...earlierOf(row, version, lastEpoch),
        },
      ]
    }),
  )
}

function destinationsOf(stored: JobRow | undefined, shape: Shape): Record<string, number> {
  const known = stored?.destinations ?? {}
  const used = [...Object.values(known), ...(stored?.dropped?.destinations ?? [])]
  let next = Math.max(-1, ...used) + 1
  return Object.fromEntries(
    shape.destinations.map((name) => [
      name,
      Object.hasOwn(known, name) ? (known[name] as number) : next++,
    ]),
  )
}

/** What this run drops, and what an earlier one has not finished to remove. */
function droppedOf(stored: JobRow | undefined, shape: Shape): DroppedNumbers {
  const { dropped = [] } = shape
  const { operators = {}, destinations = {} } = stored ?? {}
  return {
    operators: [
      ...(stored?.dropped?.operators ?? []),
      ...Object.entries(operators)
        .filter(([name]) => dropped.includes(name))
        .map(([, { number }]) => number),
    ],
    destinations: [
      ...(stored?.dropped?.destinations ?? []),
      ...Object.entries(destinations)
        .filter(([name]) => dropped.includes(name) && !shape.destinations.includes(name))
        .map(([, number]) => number),
    ],
  }
}

/** What rows in the store are of versions before this one. */
function earlierOf(
  known: OperatorRow | undefined,
  version: number,
  lastEpoch: number,
): { readonly earlier?: readonly EarlierShape[] } {
  if (known === undefined) return {}
  const earlier = known.earlier ?? []
  if (known.version === version) return earlier.length === 0 ? {} : { earlier }
  const { version: before, cells } = known
  return { earlier: [...earlier, { version: before, cells, until: lastEpoch }] }
}

/** @throws StateError with every difference when a state is of another job, or of another shape. */
export function refuseOtherShape(stored: StoredShape, shape: Shape): void {
  if (stored.job !== shape.job) {
    throw new StateError(
      `this state is of the job '${stored.job}', not of '${shape.job}'. Name another folder with --state.`,
    )
  }
  const { missing, changed } = differencesOf(stored, shape)
  refuseDrops(stored, shape)
  if (missing.length + changed.length === 0) return
  const mend = [
    ...(changed.length > 0
      ? ['give an actor the next version and an upcast function, or the operator a new name']
      : []),
    ...(missing.length > 0 ? ['drop what is no longer wanted with --drop-state NAME'] : []),
    'run the job as it was',
    'start afresh with another --state',
  ]
  throw new StateError(
    `this state is of another shape of the job '${shape.job}': ${[...missing, ...changed].join('; ')}. Nothing was changed. You can ${mend.join(', or ')}.`,
  )
}

/** @throws StateError when what is to be dropped is not there, or is still used. */
function refuseDrops(
  stored: StoredShape,
  { job, dropped = [], sources, destinations }: Shape,
): void {
  for (const name of dropped) {
    if (!isPart(stored, name)) {
      throw new StateError(
        `--drop-state ${name}: the state of '${job}' has no operator, source or sink of that name. Nothing was changed. It has ${partsOf(stored).join(', ')}.`,
      )
    }
    // An operator of that name begins afresh; a source or a sink that is still there goes on where it was.
    if (Object.hasOwn(stored.operators, name)) continue
    if (sources.includes(name) || destinations.includes(name)) {
      throw new StateError(
        `--drop-state ${name}: the job still has this source or sink. Nothing was changed. Give it another name in the job to begin afresh.`,
      )
    }
  }
}

interface Differences {
  /** In the state and not in the job. */
  readonly missing: readonly string[]
  readonly changed: readonly string[]
}

function differencesOf(stored: StoredShape, shape: Shape): Differences {
  const missing: string[] = []
  const changed: string[] = []
  const dropped = new Set(shape.dropped)
  for (const [name, row] of Object.entries(stored.operators)) {
    const now = shape.operators[name]
    if (now === undefined) {
      if (!dropped.has(name)) missing.push(`operator '${name}' is in the state and not in the job`)
    } else if (!dropped.has(name)) {
      const difference = differenceOf(name, row, now)
      if (difference !== undefined) changed.push(difference)
    }
  }
  for (const name of stored.sources) {
    if (!shape.sources.includes(name) && !dropped.has(name))
      missing.push(`source '${name}' is in the state and not in the job`)
  }
  for (const name of Object.keys(stored.destinations)) {
    if (!shape.destinations.includes(name) && !dropped.has(name))
      missing.push(`sink '${name}' is in the state and not in the job`)
  }
  return { missing, changed }
}

/** Why rows of one shape cannot be read by an operator of another. */
function differenceOf(name: string, row: OperatorRow, now: OperatorShape): string | undefined {
  if (now.version < row.version) {
    return `operator '${name}' has version ${row.version} in the state and ${now.version} in the job: it was written by newer code`
  }
  if (now.version > row.version) {
    const gap = missingUpcasts(row, now)
    return gap.length === 0
      ? undefined
      : `operator '${name}' has version ${row.version} in the state and ${now.version} in the job, and no upcast from version ${gap.join(' and ')}`
  }
  if (now.cells.join() !== row.cells.join()) {
    return `operator '${name}' keeps [${row.cells.join(', ')}] in the state and [${now.cells.join(', ')}] in the job`
  }
  if (now.layout !== row.layout) {
    return `operator '${name}' keeps (${row.layout ?? 'no windows'}) in the state and (${now.layout ?? 'no windows'}) in the job`
  }
  // Rows of earlier versions may still be there.
  const gap = missingUpcasts(row, now)
  return gap.length === 0
    ? undefined
    : `operator '${name}' has keys of version ${gap.join(' and ')} in the state, and no upcast from there; 'millrace migrate' brings all keys to version ${now.version} before such a function is removed`
}

function missingUpcasts({ version, earlier = [] }: OperatorRow, now: OperatorShape): number[] {
  const oldest = Math.min(version, ...earlier.map((shape) => shape.version))
  const needed = Array.from({ length: now.version - oldest }, (_, i) => oldest + i)
  return needed.filter((from) => now.upcasts?.includes(from) !== true)
}

const partsOf = ({ operators, sources, destinations }: StoredShape): string[] => [
  ...Object.keys(operators),
  ...sources,
  ...Object.keys(destinations),
]

const isPart = (stored: StoredShape, name: string): boolean => partsOf(stored).includes(name)
