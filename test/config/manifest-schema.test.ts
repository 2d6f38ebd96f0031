import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { PATH_FIELDS } from '../../config/manifest-paths.ts'
import { manifestSchemaText } from '../../config/manifest-schema.ts'

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly anyOf?: readonly JsonSchema[]
  readonly format?: string
  readonly description?: string
}

const schema: JsonSchema = JSON.parse(manifestSchemaText())

/** Every field of the schema with its path; `*` stands for names. */
function fieldsOf(
  node: JsonSchema,
  path: readonly string[],
  unions: 'as one' | 'each way' = 'as one',
): [string, JsonSchema][] {
  const inner = Object.entries(node.properties ?? {}).flatMap(([name, field]) =>
    fieldsOf(field, [...path, name], unions),
  )
  const named =
    typeof node.additionalProperties === 'object'
      ? fieldsOf(node.additionalProperties, [...path, '*'], unions)
      : []
  const ways =
    unions === 'as one' ? [] : (node.anyOf ?? []).flatMap((way) => fieldsOf(way, path, unions))
  return [[path.join('.'), node], ...inner, ...named, ...ways]
}

test('the schema file for editors is current (node --import tsx config/write-schema.ts)', async () => {
  const committed: unknown = JSON.parse(await readFile('config/manifest.schema.json', 'utf8'))
  expect(committed).toEqual(schema)
})

test('every field that is a path is made absolute', () => {
  const paths = fieldsOf(schema, [], 'each way').filter(([, field]) => field.format === 'path')
  expect(paths.map(([path]) => path).toSorted()).toEqual(
    PATH_FIELDS.map(({ path }) => path).toSorted(),
  )
})

test('every field that is not a section says what it is for', () => {
  const mute = fieldsOf(schema, []).filter(
    ([path, field]) =>
      path !== '' &&
      field.description === undefined &&
      field.properties === undefined &&
      !path.endsWith('*'),
  )
  expect(mute.map(([path]) => path)).toEqual([])
})
