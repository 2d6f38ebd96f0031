import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // Jobs and tests import the package by its name, as users do; here they get its source.
    alias: [
      { find: /^millrace\/testing$/, replacement: file('./runtime/testing/index.ts') },
      { find: /^millrace$/, replacement: file('./runtime/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Two on two cores: many tests wait for processes of their own, for servers and for disks.
    maxWorkers: 2,
    globalSetup: './test/support/global-setup.ts',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
