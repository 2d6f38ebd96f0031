/** What is known of a module by its name. */

/** Node 20 cannot read these. */
export const SOURCE_EXTENSIONS: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.tsx'])

/** What a compiled module is handed on as: its code, and the modules of the user's that it imports. */
export interface CompiledModule {
  /** Path of what it was compiled from. */
  readonly source: string
  /** JavaScript in which imports are absolute, and those of modules that are compiled too are `linkTo`. */
  readonly code: string
  /** Paths of the sources that it imports. */
  readonly imports: readonly string[]
  readonly isCommonJs: boolean
}

/** All that came of compiling one module and its imports. */
export interface Compilation {
  /** By the paths of their sources. */
  readonly modules: ReadonlyMap<string, CompiledModule>
  /** Paths of all files of the user's that were read, those that Node reads as they are included. */
  readonly sources: readonly string[]
  /**
   * What the compilation hangs on: files by path with the hash of their content; undefined where a
   * file that is not there would have changed it.
   */
  readonly evidence: ReadonlyMap<string, string | undefined>
}

/** How compiled code names a module that is compiled too, before its place is known. */
export const linkTo = (source: string): string => `millrace-module:${encodeURIComponent(source)}`
