/**
 * A short cut for the commonest schema, a zod object of plain numbers, texts and booleans. zod copies
 * every value that it finds valid, which costs more than all else that happens to a record; a value
 * that has exactly the schema's fields, in its order and of its types, equals that copy. Such a value
 * is taken as it is. Every other value, and every other schema, goes the schema's own way.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** What of zod 4 is looked at: the definitions that it offers to authors of libraries. */
interface Definition {
  readonly type?: unknown
  readonly checks?: readonly unknown[]
  readonly shape?: Readonly<Record<string, unknown>>
}

const TESTS = {
  // zod refuses NaN and the infinities.
  number: (field: string) => `Number.isFinite(${field})`,
  string: (field: string) => `typeof ${field} === 'string'`,
  boolean: (field: string) => `typeof ${field} === 'boolean'`,
} as const
type Plain = keyof typeof TESTS

/** A function that is true for values which the schema would copy unchanged; undefined where there is no short cut. */
export function plainCheck(schema: StandardSchemaV1): ((value: unknown) => boolean) | undefined {
  if (schema['~standard'].vendor !== 'zod') return undefined
  const definition = definitionOf(schema)
  if (definition?.type !== 'object' || !hasOnly(definition, ['type', 'shape'])) return undefined
  const fields = Object.entries(definition.shape ?? {})
  const types = fields.map(([, field]) => plainTypeOf(field))
  // A field that a prototype could have is left to zod.
  if (fields.some(([name]) => name in Object.prototype)) return undefined
  if (types.includes(undefined)) return undefined
  return compiled(fields.map(([name], i) => [name, types[i] as Plain]))
}

function plainTypeOf(field: unknown): Plain | undefined {
  const definition = definitionOf(field)
  if (definition === undefined || !hasOnly(definition, ['type', 'checks'])) return undefined
  if (definition.checks !== undefined && definition.checks.length > 0) return undefined
  const { type } = definition
  return type === 'number' || type === 'string' || type === 'boolean' ? type : undefined
}

function definitionOf(schema: unknown): Definition | undefined {
  // oxlint-disable-next-line no-underscore-dangle -- its name in zod
  const internals = (schema as { _zod?: { def?: Definition; version?: { major?: unknown } } })._zod
  return internals?.version?.major === 4 ? internals.def : undefined
}

function hasOnly(definition: Definition, names: readonly string[]): boolean {
  return Object.keys(definition).every((name) => names.includes(name))
}

/** Compiled, because a field read by a known name is several times faster than one by a variable. */
function compiled(
  fields: readonly (readonly [name: string, type: Plain])[],
): ((value: unknown) => boolean) | undefined {
  const names = JSON.stringify(fields.map(([name]) => name))
  const tests = fields.map(([name, type]) => TESTS[type](`value[${JSON.stringify(name)}]`))
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- see above; names are quoted
    return new Function(
      `const names = ${names}
       return (value) => {
         if (value === null || typeof value !== 'object') return false
         if (Object.getPrototypeOf(value) !== Object.prototype) return false
         let count = 0
         for (const name in value) if (name !== names[count++]) return false
         return count === ${fields.length} && ${tests.join(' && ') || 'true'}
       }`,
    )() as (value: unknown) => boolean
  } catch {
    // Where code generation is forbidden.
    return undefined
  }
}
