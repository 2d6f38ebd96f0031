/** The JSON Schema of a manifest, for editors. */
import * as z from 'zod'
import { manifestSchema } from './manifest.ts'

/** The text of `manifest.schema.json`, made from the one schema there is. */
export function manifestSchemaText(): string {
  // What editors check is what people write, so it is the schema before units are resolved.
  const schema = z.toJSONSchema(manifestSchema, { io: 'input', target: 'draft-7' })
  return `${JSON.stringify(schema, undefined, 2)}\n`
}
