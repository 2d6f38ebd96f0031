import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { WatermarkFunction, Watermarks } from '../../operators/watermark.ts'
import type { Stream } from './stream.ts'

/** Declares a source of the manifest, by name, with the schema of its values. */
export interface SourceFunction {
  <Schema extends StandardSchemaV1>(
    name: string,
    schema: Schema,
    options?: {
      /** Event time of a value in milliseconds; default: the field that the manifest names. */
      readonly time?: (value: StandardSchemaV1.InferOutput<Schema>) => number
      /**
       * How far event time has come behind a value, where a bound (`outOfOrder`) will not do: the
       * watermark that the value carries, or undefined; or `watermarks({ … })` with a state.
       */
      readonly watermark?:
        | WatermarkFunction<StandardSchemaV1.InferOutput<Schema>>
        | Watermarks<StandardSchemaV1.InferOutput<Schema>>
    },
  ): Stream<StandardSchemaV1.InferOutput<Schema>>
}
