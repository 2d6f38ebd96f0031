/** Everything that is wrong with a manifest, told at once. */
import { ConfigError } from '../runtime/errors.ts'
import type { SetField } from './set-fields.ts'
import type { TextPlace, TreePath, YamlTree } from './yaml-tree.ts'

/** So many problems are told; who has more starts with these. */
const PROBLEMS_MAX = 100

/** Collects problems, each with where its field was written: a line of the file, or a --set. */
export class Problems {
  /** The overrides that were applied. */
  settings: readonly SetField[] = []
  readonly #file: string
  readonly #tree: YamlTree
  readonly #found: { readonly name: string; readonly line: string; readonly order: number }[] = []

  constructor(file: string, tree: YamlTree) {
    this.#file = file
    this.#tree = tree
  }

  /** Something is wrong with the value of a field. */
  add(path: TreePath, message: string, place = this.#tree.placeOf(path)): void {
    const line = this.line(path, message, place)
    this.#found.push({ name: path.join('.'), line, order: orderOf(place) })
  }

  /** Something is wrong with the name of a field. */
  addKey(path: TreePath, message: string): void {
    this.add(path, message, this.#tree.placeOfKey(path))
  }

  /** An override cannot be applied. */
  addSetting(path: TreePath, message: string): void {
    const name = path.join('.')
    this.#found.push({ name, line: `--set ${name}: ${message}`, order: 0 })
  }

  /** Whether something was found wrong with this very field. */
  has(path: TreePath): boolean {
    return this.#found.some(({ name }) => name === path.join('.'))
  }

  /** The override that wrote a field or something around it; of several the last. */
  settingOf(path: TreePath): SetField | undefined {
    return this.settings.findLast(({ path: set }) => startsWith(path, set))
  }

  /** The override behind a field, also one that made a section the file does not have. */
  #settingBehind(path: TreePath): SetField | undefined {
    if (path.length === 0) return undefined
    const made = this.#tree.has(path)
      ? undefined
      : this.settings.findLast(({ path: set }) => startsWith(set, path))
    return this.settingOf(path) ?? made
  }

  /** The line that tells a problem, without collecting it. */
  line(path: TreePath, message: string, place = this.#tree.placeOf(path)): string {
    const name = path.join('.')
    const setting = this.#settingBehind(path)?.path.join('.')
    if (setting !== undefined) {
      return `--set ${setting}${setting === name ? '' : ` ${name}`}: ${message}`
    }
    const at = place === undefined ? '' : `:${place.line}:${place.column}`
    return `${this.#file}${at}${name === '' ? '' : ` ${name}`}: ${message}`
  }

  /** @throws ConfigError with all that was found, in the order of the file. */
  throwIfAny(): void {
    if (this.#found.length === 0) return
    const lines = this.#found.toSorted((a, b) => a.order - b.order).map(({ line }) => line)
    const told = lines.slice(0, PROBLEMS_MAX)
    if (lines.length > told.length) told.push(`and ${lines.length - told.length} more problems`)
    throw new ConfigError(told)
  }
}

const startsWith = (path: TreePath, beginning: TreePath): boolean =>
  beginning.every((step, index) => String(step) === String(path[index]))

const orderOf = (place: TextPlace | undefined): number =>
  place === undefined ? 0 : place.line * LINE_WIDTH + place.column

/** Wider than any line that people write. */
const LINE_WIDTH = 1_000_000
