/** What the README shows is what is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { EXIT } from '../../runtime/cli/exit-codes.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const readme = textOf('README.md')
const pages = [
  'README.md',
  'bench/README.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
]

test.each([
  ['ts', 'jobs/latest-rating.ts'],
  ['yaml', 'jobs/latest-rating.yaml'],
  ['ts', 'test/jobs/latest-rating-kit.test.ts'],
])('the README shows as %s what is in %s', (language, path) => {
  expect(readme.includes(`\`\`\`${language}\n${textOf(path)}\`\`\`\n`)).toBe(true)
})

test('the README lists every exit code', () => {
  const listed = Array.from(readme.matchAll(/^\| (\d+) +\|/gm), ([, code]) => Number(code))
  expect(listed).toEqual(Object.values(EXIT))
})

test.each(pages)('every file that %s links to or names is there', (page) => {
  const text = textOf(page)
  const links = Array.from(text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g), ([, path]) =>
    join(dirname(page), path ?? ''),
  )
  const named = Array.from(
    text.matchAll(/`((?:operators|runtime|jobs|config|demo|test|bench|docs)\/[\w./-]+\.\w+)`/g),
    ([, path]) => path ?? '',
  )
  const lost = [...links, ...named].filter((path) => !existsSync(join(ROOT, path)))
  expect(lost).toEqual([])
})
