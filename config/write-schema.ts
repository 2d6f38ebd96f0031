/** Writes config/manifest.schema.json; run it from the project's folder after changing the schema. */
import { writeFile } from 'node:fs/promises'
import { manifestSchemaText } from './manifest-schema.ts'

await writeFile('config/manifest.schema.json', manifestSchemaText())
