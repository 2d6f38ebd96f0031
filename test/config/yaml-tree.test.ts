import { describe, expect, test } from 'vitest'
import { parseTree } from '../../config/yaml-tree.ts'

const problemsOf = (text: string): string[] =>
  parseTree(text).problems.map(
    ({ path, message, place }) => `${place?.line}:${place?.column} ${path.join('.')}: ${message}`,
  )

describe('what is read', () => {
  test('YAML of the core schema', () => {
    const { value, problems } = parseTree(
      'a: 1\nb: [x, true, null, ~, 1.5, 0x10]\nc: {d: 2026-01-31, no: yes}\n',
    )
    expect(problems).toEqual([])
    expect(value).toEqual({
      a: 1,
      b: ['x', true, null, null, 1.5, 16],
      c: { d: '2026-01-31', no: 'yes' },
    })
  })

  test('JSON', () => {
    expect(parseTree('{\n\t"a": [1, {"b": "\\u00e9"}]\n}').value).toEqual({ a: [1, { b: 'é' }] })
  })

  test('an alias is what its anchor is, the nearest one before it', () => {
    const { value, problems } = parseTree('a: &x {n: 1}\nb: *x\nc: &x {n: 2}\nd: *x\n')
    expect(problems).toEqual([])
    expect(value).toEqual({ a: { n: 1 }, b: { n: 1 }, c: { n: 2 }, d: { n: 2 } })
  })

  test('numbers as names of fields are text', () => {
    expect(parseTree('1: a\n2.5: b').value).toEqual({ '1': 'a', '2.5': 'b' })
  })
})

describe('where things stand', () => {
  const tree = parseTree('job: x\nsources:\n  ratings:\n    file: { path: a.csv }\n')

  test('a single value, the name of its field, the name of a section', () => {
    expect(tree.placeOf(['sources', 'ratings', 'file', 'path'])).toEqual({ line: 4, column: 19 })
    expect(tree.placeOfKey(['sources', 'ratings', 'file', 'path'])).toEqual({ line: 4, column: 13 })
    expect(tree.placeOf(['sources', 'ratings'])).toEqual({ line: 3, column: 3 })
  })

  test('a field that is not there stands where its section does', () => {
    expect(tree.placeOf(['sources', 'ratings', 'eventTime', 'field'])).toEqual({
      line: 3,
      column: 3,
    })
    expect(tree.placeOf(['sinks'])).toEqual({ line: 1, column: 1 })
  })
})

describe('what is refused', () => {
  test('a field that is there twice', () => {
    expect(problemsOf('a: 1\nb: 2\na: 3\n')).toEqual(['3:1 a: is there twice; remove one'])
  })

  test.each(['__proto__', 'constructor', 'prototype'])('%s as the name of a field', (name) => {
    expect(problemsOf(`a:\n  ${name}: {polluted: true}\n`)).toEqual([
      `2:3 a.${name}: '${name}' cannot be the name of a field; rename it`,
    ])
    expect(problemsOf(`{"${name}": 1}`)).toHaveLength(1)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('merge keys', () => {
    expect(problemsOf('a: &x {n: 1}\nb:\n  <<: *x\n')).toEqual([
      '3:3 b.<<: merge keys (<<) are not read; write the fields out',
    ])
  })

  test.each(['a: !!js/function "x"', 'a: !secret x', 'a: !!binary aGk=', '!!set {a, b}'])(
    'tags: %s',
    (text) => {
      expect(problemsOf(text)[0]).toMatch(/tag/i)
    },
  )

  test.each([
    ['a: [1, 2', /2:|1:/],
    ['a: b: c', /1:/],
    ['a: "x', /1:/],
    ['a: 1\n---\nb: 2\n', /2:|multiple documents/],
    ['a:\n\t- b', /2:/],
    ['a: *nowhere', /1:4 .*nowhere/],
    ['? [complex]\n: 1', /name of a field/],
  ])('broken text, with its line: %j', (text, place) => {
    expect(problemsOf(text).join('\n')).toMatch(place)
  })
})

describe('text that would blow up', () => {
  const quick = 2_000

  test('aliases of aliases (a billion laughs)', { timeout: quick }, () => {
    const lines = ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]']
    for (let level = 1; level < 12; level++) {
      const below = `*a${level - 1}`
      lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => below).join(', ')}]`)
    }
    expect(problemsOf(lines.join('\n'))[0]).toMatch(/is too much for a manifest/)
  })

  test('an alias to what holds it', { timeout: quick }, () => {
    expect(problemsOf('a: &a [1, *a]')[0]).toMatch(/is too much for a manifest/)
  })

  test.each([1_000_000, 15_000, 2_000])(
    '%d brackets in each other',
    { timeout: 10_000 },
    (depth) => {
      const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`
      expect(problemsOf(nested)[0]).toMatch(/is too much for a manifest/)
      expect(problemsOf('{a: '.repeat(depth)).join()).not.toBe('')
    },
  )

  test('eighty thousand fields', { timeout: 10_000 }, () => {
    const text = Array.from({ length: 80_000 }, (_, index) => `k${index}: 1`).join('\n')
    expect(problemsOf(text)[0]).toMatch(/is too much for a manifest/)
  })
})
