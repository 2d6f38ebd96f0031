/**
 * Compiles a module and, file by file, the modules it imports, so that each stays one module however
 * many import it. Imports become absolute: packages are found from where the source lies and are
 * loaded as they are, this very package among them. Nothing is bundled but JSON.
 */
import { readFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { basename, dirname, extname, isAbsolute, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, stop } from 'esbuild'
import type {
  BuildFailure,
  BuildOptions,
  OnResolveArgs,
  OnResolveResult,
  PluginBuild,
} from 'esbuild'
import { ModuleEvidence } from './module-evidence.ts'
import { type Compilation, type CompiledModule, linkTo, SOURCE_EXTENSIONS } from './module-kinds.ts'

export interface CompileOptions {
  /** URLs of this very package, by what users import. */
  readonly ownEntries: ReadonlyMap<string, string>
  /** Folders of this very package: what lies in them is never compiled. */
  readonly ownFolders: readonly string[]
  /** Is told the path of each source before it is compiled. */
  readonly onSource: (path: string) => void
}

/** As Node's own, beside those that the compiler adds. */
const CONDITIONS = ['module-sync', 'node-addons']
const JAVASCRIPT = new Set(['.js', '.mjs'])
const ASKED_HERE = Symbol('asked here')

let busy: Promise<unknown> = Promise.resolve()

/** @throws Error `file:line:column: ERROR: …` when a module cannot be read or compiled. */
export async function compileModules(file: string, options: CompileOptions): Promise<Compilation> {
  const compiling = busy.then(async () => {
    try {
      return await new Compiler(options).compile(file)
    } finally {
      // The compiler is a process of its own, which a job that runs for weeks has no use for.
      await stop()
    }
  })
  busy = compiling.catch(() => undefined)
  return await compiling
}

class Compiler {
  readonly #options: CompileOptions
  readonly #evidence = new ModuleEvidence()
  readonly #modules = new Map<string, CompiledModule>()
  readonly #seen = new Set<string>()

  constructor(options: CompileOptions) {
    this.#options = options
  }

  async compile(file: string): Promise<Compilation> {
    this.#evidence.note(createRequire(import.meta.url).resolve('esbuild/package.json'))
    await this.#compileAll([file])
    return { modules: this.#modules, sources: [...this.#seen], evidence: this.#evidence.files }
  }

  async #compileAll(sources: readonly string[]): Promise<void> {
    const fresh = sources.filter((source) => !this.#seen.has(source))
    for (const source of fresh) this.#seen.add(source)
    await Promise.all(
      fresh.map(async (source) => {
        const module = await this.#compileOne(source)
        if (module === undefined) return
        this.#modules.set(source, module)
        await this.#compileAll(module.imports)
      }),
    )
  }

  /** @returns undefined for what Node is to load as it is. */
  async #compileOne(source: string): Promise<CompiledModule | undefined> {
    this.#options.onSource(source)
    const text = readFileSync(source, 'utf8')
    this.#evidence.noteText(source, text)
    this.#evidence.noteScope(dirname(source))
    const isCommonJs = extname(source) === '.cts'
    const imports = new Set<string>()
    try {
      const { outputFiles, metafile } = await build({
        ...settingsFor(source, isCommonJs),
        stdin: {
          contents: text,
          sourcefile: source,
          resolveDir: dirname(source),
          loader: 'default',
        },
        plugins: [
          {
            name: 'absolute-imports',
            setup: (building) => {
              building.onResolve({ filter: /.*/ }, (args) => this.#resolve(building, args, imports))
            },
          },
        ],
      })
      const [input] = Object.entries(metafile.inputs).filter(([name]) => !name.endsWith('.json'))
      // JavaScript that is no ES module has its own ways to import.
      if (JAVASCRIPT.has(extname(source)) && input?.[1].format !== 'esm') return undefined
      const code = outputFiles.find(({ path }) => !path.endsWith('.map'))?.text ?? ''
      const map = outputFiles.find(({ path }) => path.endsWith('.map'))?.text
      return { source, code: code + mapComment(map, source), imports: [...imports], isCommonJs }
    } catch (error) {
      throw problemOf(error, source)
    }
  }

  async #resolve(
    building: PluginBuild,
    args: OnResolveArgs,
    imports: Set<string>,
  ): Promise<OnResolveResult | undefined> {
    const { path: specifier, kind, importer, resolveDir } = args
    if (args.pluginData === ASKED_HERE) return undefined
    const own = this.#options.ownEntries.get(specifier)
    if (own !== undefined) return { path: own, external: true }
    if (isBuiltin(specifier) || /^(data|https?|node):/.test(specifier)) {
      return { path: specifier, external: true }
    }
    const wanted = specifier.startsWith('file:') ? fileURLToPath(specifier) : specifier
    const isPath = /^\.{0,2}\//.test(wanted) || wanted === '.' || wanted === '..'
    if (!isPath) this.#evidence.notePackage(wanted, resolveDir)
    const asked = { kind, importer, resolveDir, namespace: 'file', pluginData: ASKED_HERE }
    const found = await building.resolve(wanted, asked)
    if (found.errors.length > 0) {
      // What is imported while the code runs may be missing: the code may be ready for that.
      return kind === 'dynamic-import'
        ? { path: specifier, external: true }
        : { errors: found.errors }
    }
    if (extname(found.path) === '.json') {
      this.#seen.add(found.path)
      this.#options.onSource(found.path)
      this.#evidence.note(found.path)
      return { path: found.path }
    }
    if (!this.#isCompiled(found.path, isPath)) {
      const isAsked = kind === 'require-call' || kind === 'require-resolve'
      return { path: isAsked ? found.path : pathToFileURL(found.path).href, external: true }
    }
    imports.add(found.path)
    return { path: linkTo(found.path), external: true }
  }

  /** Packages are loaded as they are, unless they are sources themselves. */
  #isCompiled(path: string, isPath: boolean): boolean {
    if (!isAbsolute(path) || this.#options.ownFolders.some((own) => path.startsWith(own)))
      return false
    const extension = extname(path)
    if (SOURCE_EXTENSIONS.has(extension)) return true
    return isPath && JAVASCRIPT.has(extension) && !path.includes(`${sep}node_modules${sep}`)
  }
}

function settingsFor(source: string, isCommonJs: boolean) {
  const url = JSON.stringify(pathToFileURL(source).href)
  const [name, folder] = [JSON.stringify(source), JSON.stringify(dirname(source))]
  const places = isCommonJs
    ? { __filename: name, __dirname: folder }
    : {
        'import.meta.url': url,
        'import.meta.filename': name,
        'import.meta.dirname': folder,
      }
  return {
    absWorkingDir: dirname(source),
    bundle: true,
    write: false,
    metafile: true,
    outfile: `${basename(source)}.out.js`,
    format: isCommonJs ? 'cjs' : 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    conditions: CONDITIONS,
    define: places,
    charset: 'utf8',
    sourcemap: 'external',
    sourcesContent: false,
    treeShaking: false,
    // What a tsconfig.json says is for editors: a job is the same wherever it lies.
    tsconfigRaw: '{}',
    logLevel: 'silent',
  } as const satisfies BuildOptions
}

/** Names the source by its URL, wherever the compiled code will lie. */
function mapComment(map: string | undefined, source: string): string {
  if (map === undefined) return ''
  const named = { ...(JSON.parse(map) as object), sources: [pathToFileURL(source).href] }
  const encoded = Buffer.from(JSON.stringify(named)).toString('base64')
  return `//# sourceMappingURL=data:application/json;base64,${encoded}\n`
}

/** In the words of compilers: where, and what. */
function problemOf(error: unknown, source: string): unknown {
  const [first] = (error as Partial<BuildFailure>).errors ?? []
  if (first === undefined) return error
  const { location, text } = first
  const place =
    location === null
      ? source
      : `${resolve(dirname(source), location.file)}:${location.line}:${location.column + 1}`
  return new Error(`${place}: ERROR: ${text}`, { cause: error })
}
