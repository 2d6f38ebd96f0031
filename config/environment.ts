/** `${env:NAME}` inside the texts of a manifest, so that secrets stay out of the file. */
import type { TreePath } from './yaml-tree.ts'

/** What is read from: `process.env`, or a few names in a test. */
export type Environment = Readonly<Record<string, string | undefined>>

const REFERENCE = /\$\{env:([^}]*)\}/g

/**
 * Copies a tree with every reference replaced by its variable; replaced text is not read again.
 * @param problem is told of each name that is not set; its text stays as it is.
 */
export function replaceEnvironment(
  tree: unknown,
  environment: Environment,
  problem: (path: TreePath, message: string) => void,
  path: TreePath = [],
): unknown {
  if (typeof tree === 'string') {
    return tree.replace(REFERENCE, (reference, name: string) => {
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined
      if (value !== undefined) return value
      problem(path, `the environment has no ${name}; set it, or take ${reference} out`)
      return reference
    })
  }
  const inner = (child: unknown, step: string | number): unknown =>
    replaceEnvironment(child, environment, problem, [...path, step])
  if (Array.isArray(tree)) return tree.map(inner)
  if (typeof tree !== 'object' || tree === null) return tree
  return Object.fromEntries(Object.entries(tree).map(([key, child]) => [key, inner(child, key)]))
}
