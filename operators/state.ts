/** The cells a key's state is made of: declarations, and what the runtime needs of them. */
export * from './state/cell.ts'
export { list, ListCell } from './state/list-cell.ts'
export { map, MapCell } from './state/map-cell.ts'
export { Stamped, unstamped } from './state/stamped.ts'
export { byTime, TimeCell } from './state/time-cell.ts'
export { EXPIRY, timersOf, type TimerName, namedTimers, TimersCell } from './state/timers-cell.ts'
export { type CellOptions, type Lifetime, type TimeToLive } from './state/time-to-live.ts'
export { value, ValueCell } from './state/value-cell.ts'
