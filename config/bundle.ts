/**
 * The last step of a build: puts the modules of what is started or imported by name together into few files,
 * for a start waits for every file that is loaded. Modules that several of them use are in files that they share,
 * so that none is there twice. Other packages stay what they are.
 */
import { rm } from 'node:fs/promises'
import { build } from 'esbuild'

const OUT = 'dist'
const CHUNKS = 'chunks'

/** Named in package.json, or by the code that starts a process of its own. */
const ENTRIES = [
  'runtime/index',
  'runtime/testing/index',
  'runtime/cli/main',
  'runtime/job/worker',
  'runtime/state/lmdb-thread',
  'demo/main',
  'test/crash/crash-child',
]

await rm(`${OUT}/${CHUNKS}`, { recursive: true, force: true })
await build({
  entryPoints: ENTRIES.map((name) => `${OUT}/${name}.js`),
  outdir: OUT,
  outbase: OUT,
  chunkNames: `${CHUNKS}/[name]-[hash]`,
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  // Names of functions and classes are read in messages and stacks.
  minify: false,
  logLevel: 'warning',
})
