/** The public API: what a job module imports. */
export { job, isJobDefinition, type JobBuilder, type JobDefinition } from './pipeline/job.ts'
export type {
  KeyedStream,
  OperatorOptions,
  ProcessedStream,
  SinkRef,
  Stream,
  WindowedStream,
  WindowResults,
} from './pipeline/stream.ts'
export type { OnError } from './pipeline/graph.ts'
export {
  tumbling,
  type TumblingOptions,
  type TumblingWindows,
  type Window,
  type WindowResult,
} from '../operators/window/window.ts'
export { actor, side, type Actor, type ActorDefinition, type KeyTurn } from '../operators/actor.ts'
export { list, map, value, ListCell, MapCell, ValueCell } from '../operators/state.ts'
export {
  milliseconds,
  type Duration,
  type Milliseconds,
  type Timestamp,
} from '../operators/time.ts'
export type { Key } from '../operators/operator.ts'
export type { Aggregate, AnyAggregate } from '../operators/aggregate/aggregate.ts'
export { count, countIf } from '../operators/aggregate/count.ts'
export { mean, sum } from '../operators/aggregate/sum.ts'
export { max, maxBy, min, minBy } from '../operators/aggregate/extremes.ts'
export { collect } from '../operators/aggregate/collect.ts'
export {
  ConfigError,
  DataLossError,
  StateError,
  UnavailableError,
  UserCodeError,
} from './errors.ts'
