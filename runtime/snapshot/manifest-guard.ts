/** Whether what claims to be a manifest is one: its checksum says that it is whole, not who wrote it. */
import { PART_BYTES_MAX, SNAPSHOT_FORMAT, type SnapshotManifest } from './snapshot.ts'

type Tree = Readonly<Record<string, unknown>>

/** Names of parts, files and tasks: letters, digits, . - and _, never a path. */
export const isPartName = (name: unknown): boolean =>
  typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(name)

/** Narrows to a manifest with everything that a restore uses, or says no. */
export function isManifest(value: unknown): value is SnapshotManifest {
  if (!isTree(value)) return false
  const { shape, tasks, files, base } = value
  return (
    isCount(value['format']) &&
    Number(value['format']) <= SNAPSHOT_FORMAT &&
    ['id', 'job', 'run', 'byteOrder'].every((field) => typeof value[field] === 'string') &&
    ['stateCreatedAt', 'generation', 'createdAt'].every((field) => isCount(value[field])) &&
    isShape(shape) &&
    (base === undefined || isBase(base)) &&
    Array.isArray(tasks) &&
    tasks.length > 0 &&
    tasks.every((task) => isTask(task, base === undefined ? WHOLE : CHANGES)) &&
    Array.isArray(files) &&
    files.every(isFile)
  )
}

const WHOLE: readonly unknown[] = ['pages', 'rows']
const CHANGES: readonly unknown[] = ['changes']

const isBase = (base: unknown): boolean =>
  isTree(base) && typeof base['id'] === 'string' && typeof base['sha256'] === 'string'

const isFile = (file: unknown): boolean =>
  isTree(file) &&
  isPartName(file['name']) &&
  (file['from'] === undefined || isCount(file['from'])) &&
  isParts(file['parts'])

function isShape(shape: unknown): boolean {
  return (
    isTree(shape) &&
    typeof shape['job'] === 'string' &&
    isTree(shape['operators']) &&
    Object.values(shape['operators']).every(isOperator) &&
    isTree(shape['destinations']) &&
    Object.values(shape['destinations']).every(isCount) &&
    isTexts(shape['sources'])
  )
}

const isOperator = (row: unknown): boolean =>
  isTree(row) && isCount(row['number']) && isCount(row['version']) && isTexts(row['cells'])

const isTask = (task: unknown, kinds: readonly unknown[]): boolean =>
  isTree(task) &&
  isPartName(task['task']) &&
  isCount(task['epoch']) &&
  (task['run'] === undefined || typeof task['run'] === 'string') &&
  kinds.includes(task['kind']) &&
  isParts(task['parts'])

const isParts = (parts: unknown): boolean => Array.isArray(parts) && parts.every(isPart)

const isPart = (part: unknown): boolean =>
  isTree(part) &&
  isPartName(part['name']) &&
  isCount(part['length']) &&
  Number(part['length']) <= PART_BYTES_MAX &&
  typeof part['sha256'] === 'string'

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((text) => typeof text === 'string')

export const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
