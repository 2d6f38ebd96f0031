/**
 * Reads YAML or JSON into plain values, safely: core schema only, no merge keys, no tags, no duplicate or
 * prototype keys, and a bound on everything that a small text could blow up. Every value keeps the
 * place in the text it came from.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Node, Pair, YAMLMap } from 'yaml'

/** A way into a tree: names of fields and indexes of lists. */
export type TreePath = readonly (string | number)[]

/** A section as it was read: fields that nobody has checked. */
export type Tree = Record<string, unknown>

/** Whether a value is a section, and not a list or a single value. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A problem with the place it was found at. */
export interface TreeProblem {
  readonly path: TreePath
  readonly message: string
  readonly place: TextPlace | undefined
}

/** Line and column, both from 1. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

export interface YamlTree {
  readonly value: unknown
  readonly problems: readonly TreeProblem[]
  /** Whether the text has a field. */
  has(path: TreePath): boolean
  /**
   * Where a single value stands, or the name of a section or list; of a path that is not there, the
   * nearest thing around it.
   */
  placeOf(path: TreePath): TextPlace | undefined
  /** Where the name of a field stands. */
  placeOfKey(path: TreePath): TextPlace | undefined
}

/** Values, aliases counted as often as they are used; a manifest has some dozens. */
const NODES_MAX = 10_000
const ALIASES_MAX = 100
const DEPTH_MAX = 40

/** Names that would reach into JavaScript's own objects. */
const REFUSED_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** The problem with a field's name, or undefined. */
export function refusedKey(key: string): string | undefined {
  if (key === '<<') return 'merge keys (<<) are not read; write the fields out'
  return REFUSED_KEYS.has(key) ? `'${key}' cannot be the name of a field; rename it` : undefined
}

/** Parses one document. Never throws: what is wrong is among the problems. */
export function parseTree(text: string): YamlTree {
  const lines = new LineCounter()
  const reader = new TreeReader(lines)
  const value = reader.read(text)
  return {
    value,
    problems: reader.problems,
    has: (path) => reader.keys.has(idOf(path)),
    placeOf: (path) => reader.values.get(idOf(path)) ?? reader.nearestKey(path),
    placeOfKey: (path) => reader.nearestKey(path),
  }
}

const idOf = (path: TreePath): string => path.join('\0')

class TreeReader {
  readonly problems: TreeProblem[] = []
  readonly values = new Map<string, TextPlace>()
  readonly keys = new Map<string, TextPlace>()
  readonly #lines: LineCounter
  readonly #anchors = new Map<string, Node>()
  #nodes = 0
  #aliases = 0
  #aliasDepth = 0

  constructor(lines: LineCounter) {
    this.#lines = lines
  }

  read(text: string): unknown {
    if (hasTooManyBrackets(text)) return this.#tooMuch([], { line: 1, column: 1 })
    const document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      customTags: [],
      merge: false,
      resolveKnownTags: false,
      strict: true,
      prettyErrors: false,
      // The library compares every key of a map with every other; the walk below uses a set.
      uniqueKeys: false,
      lineCounter: this.#lines,
    })
    // A warning is a tag or a directive that would be ignored: not what the writer meant.
    for (const error of [...document.errors, ...document.warnings]) {
      const { line, col } = this.#lines.linePos(error.pos[0])
      this.problem([], messageOf(error.message), { line, column: col })
    }
    if (this.problems.length > 0) return undefined
    return this.#value(document.contents, [])
  }

  problem(path: TreePath, message: string, place: TextPlace | undefined): void {
    this.problems.push({ path, message, place })
  }

  nearestKey(path: TreePath): TextPlace | undefined {
    for (let length = path.length; length >= 0; length--) {
      const id = idOf(path.slice(0, length))
      const place = this.keys.get(id) ?? this.values.get(id)
      if (place !== undefined) return place
    }
    return undefined
  }

  #value(node: unknown, path: TreePath): unknown {
    const place = this.#placeOf(node)
    const isSingle = isScalar(node) || isAlias(node)
    if (place !== undefined && (isSingle || !this.keys.has(idOf(path)))) {
      this.values.set(idOf(path), place)
    }
    this.#nodes += 1
    if (this.#nodes > NODES_MAX || path.length > DEPTH_MAX) return this.#tooMuch(path, place)
    if (isAlias(node)) return this.#alias(node.source, path, place)
    this.#remember(node)
    if (isScalar(node)) return node.value
    if (isMap(node)) return this.#map(node, path)
    if (isSeq(node)) return node.items.map((item, index) => this.#value(item, [...path, index]))
    return null
  }

  #map(node: YAMLMap, path: TreePath): Tree {
    const fields: Tree = {}
    for (const pair of node.items) {
      const key = this.#key(pair, path, fields)
      if (key === undefined) continue
      fields[key] = this.#value(pair.value, [...path, key])
    }
    return fields
  }

  /** The name of a field, or undefined (and a problem) when it cannot be one. */
  #key(pair: Pair, path: TreePath, fields: object): string | undefined {
    const place = this.#placeOf(pair.key)
    const written = isScalar(pair.key) ? pair.key.value : undefined
    if (typeof written !== 'string' && typeof written !== 'number') {
      this.problem(path, 'the name of a field must be a text; put it in quotes', place)
      return undefined
    }
    this.#remember(pair.key)
    const key = String(written)
    const at = [...path, key]
    const problem =
      refusedKey(key) ?? (Object.hasOwn(fields, key) ? 'is there twice; remove one' : undefined)
    if (problem !== undefined) {
      this.problem(at, problem, place)
      return undefined
    }
    if (place !== undefined) this.keys.set(idOf(at), place)
    return key
  }

  #alias(name: string, path: TreePath, place: TextPlace | undefined): unknown {
    this.#aliases += 1
    const target = this.#anchors.get(name)
    if (target === undefined)
      return this.problem(path, `there is no &${name} before *${name}`, place)
    if (this.#aliases > ALIASES_MAX) return this.#tooMuch(path, place)
    this.#aliasDepth += 1
    const value = this.#value(target, path)
    this.#aliasDepth -= 1
    return value
  }

  /** An alias means the nearest anchor of its name before it in the text, not inside another alias. */
  #remember(node: unknown): void {
    if (this.#aliasDepth > 0 || !(isScalar(node) || isMap(node) || isSeq(node))) return
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
  }

  /** Says it once; the walk goes on but reads nothing more. */
  #tooMuch(path: TreePath, place: TextPlace | undefined): undefined {
    if (this.problems.every(({ message }) => message !== TOO_MUCH)) {
      this.problem(path, TOO_MUCH, place)
    }
    return undefined
  }

  #placeOf(node: unknown): TextPlace | undefined {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : null
    if (range === null || range === undefined) return undefined
    const { line, col } = this.#lines.linePos(range[0])
    return { line, column: col }
  }
}

/** The parser is recursive; text that exhausts the stack is nested beyond all use. */
const messageOf = (message: string): string =>
  message.includes('call stack') ? TOO_MUCH : (message.split('\n', 1)[0] ?? message)

const TOO_MUCH = `is too much for a manifest; at most ${NODES_MAX} values, ${DEPTH_MAX} levels and ${ALIASES_MAX} aliases are read`

/** The parser's time grows with the square of the nesting: so many brackets are not even tried. */
function hasTooManyBrackets(text: string): boolean {
  let count = 0
  for (const _ of text.matchAll(/[[{]/g)) if (++count > NODES_MAX) return true
  return false
}
