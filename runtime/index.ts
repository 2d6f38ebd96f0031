/** The public API: what a job module imports. */
export { job, isJobDefinition, type JobBuilder, type JobDefinition } from './pipeline/job.ts'
export type {
  AllWindowedStream,
  AllWindowResults,
  DeduplicatedStream,
  JoinResults,
  KeyedStream,
  OperatorOptions,
  ProcessedStream,
  SinkRef,
  Stream,
  WindowedStream,
  WindowOf,
  WindowResults,
} from './pipeline/stream.ts'
export type { IntervalJoinOf, JoinOptions, Joins } from './pipeline/joins.ts'
export type { IntervalOptions, ResultTime } from '../operators/join/interval-join.ts'
export type { AsOfKind, AsOfOptions } from '../operators/join/as-of-join.ts'
export type { JoinKind, LateRecord, LeftOf, RightOf } from '../operators/join/join-kind.ts'
export type { LookupKind } from '../operators/join/table-join.ts'
export type { ConnectDefinition } from '../operators/join/connect.ts'
export type { BroadcastDefinition, ReadOnly, ReadOnlyCell } from '../operators/join/broadcast.ts'
export type { OnError } from './pipeline/graph.ts'
export type { AllWindowResult, Pane, Window, WindowResult } from '../operators/window/window.ts'
export type { WindowSpec } from '../operators/window/window-spec.ts'
export {
  tumbling,
  type TumblingOptions,
  type TumblingWindows,
} from '../operators/window/tumbling.ts'
export { sliding, type SlidingOptions, type SlidingWindows } from '../operators/window/sliding.ts'
export {
  session,
  type GapOf,
  type SessionOptions,
  type SessionWindows,
} from '../operators/window/session.ts'
export { globalWindow, type GlobalWindows } from '../operators/window/global.ts'
export { countWindow, type CountWindows } from '../operators/window/count.ts'
export {
  calendar,
  type CalendarOptions,
  type CalendarUnit,
  type CalendarWindows,
  type Weekday,
} from '../operators/window/calendar.ts'
export {
  deltaEvictor,
  evictor,
  keepLast,
  keepWithin,
  type Element,
  type Evictor,
} from '../operators/window/evictor.ts'
export type { Trigger } from '../operators/window/trigger/trigger.ts'
export {
  atEndOfStream,
  never,
  onEventTime,
  onProcessingTime,
} from '../operators/window/trigger/at-end.ts'
export { onCount } from '../operators/window/trigger/on-count.ts'
export { onDelta } from '../operators/window/trigger/on-delta.ts'
export { everyEventTime, everyProcessingTime } from '../operators/window/trigger/every.ts'
export {
  allOf,
  firstOf,
  orFinally,
  purging,
  repeatedly,
} from '../operators/window/trigger/combine.ts'
export {
  earlyAndLate,
  type EarlyAndLateOptions,
} from '../operators/window/trigger/early-and-late.ts'
export {
  trigger,
  type RecordTriggerTurn,
  type TriggerDefinition,
  type TriggerResult,
  type TriggerTurn,
} from '../operators/window/trigger/custom.ts'
export type { PlainState, Upcaster } from '../operators/state.ts'
export { actor, side, type Actor, type ActorDefinition, type KeyTurn } from '../operators/actor.ts'
export {
  byTime,
  list,
  ListCell,
  map,
  MapCell,
  TimeCell,
  value,
  ValueCell,
  type CellOptions,
  type TimeToLive,
} from '../operators/state.ts'
export type { DeduplicateOptions } from '../operators/deduplicate.ts'
export {
  milliseconds,
  type Duration,
  type Milliseconds,
  type Timestamp,
} from '../operators/time.ts'
export type { Key } from '../operators/operator.ts'
export {
  watermarks,
  type WatermarkFunction,
  type WatermarkGenerator,
  type Watermarks,
} from '../operators/watermark.ts'
export type { Aggregate, AnyAggregate } from '../operators/aggregate/aggregate.ts'
export { count, countIf } from '../operators/aggregate/count.ts'
export { mean, sum } from '../operators/aggregate/sum.ts'
export { max, maxBy, min, minBy } from '../operators/aggregate/extremes.ts'
export { collect } from '../operators/aggregate/collect.ts'
export { firstN, lastN } from '../operators/aggregate/first-last.ts'
export { topN } from '../operators/aggregate/top.ts'
export { standardDeviation, variance, type Spread } from '../operators/aggregate/variance.ts'
export { distinct } from '../operators/aggregate/distinct.ts'
export {
  approxDistinct,
  type ApproxDistinctOptions,
} from '../operators/aggregate/approx-distinct.ts'
export type { Distinguishable } from '../operators/aggregate/distinguishable.ts'
export {
  percentiles,
  type PercentilesOf,
  type PercentilesOptions,
} from '../operators/aggregate/percentiles.ts'
export { aggregate, type AggregateDefinition } from '../operators/aggregate/user-defined.ts'
export {
  ConfigError,
  DataLossError,
  StateError,
  UnavailableError,
  UserCodeError,
} from './errors.ts'
