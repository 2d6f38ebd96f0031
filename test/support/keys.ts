/** Keys that something usually goes wrong with. All of them differ, and all of them can be used. */
import type { Key } from '../../operators/operator.ts'

export const NASTY_KEYS: readonly Key[] = [
  '__proto__',
  'constructor',
  'toString',
  '',
  ' ',
  '\u0000',
  'a\u0000',
  'a',
  'a.b',
  '.',
  '*',
  '>',
  'a b',
  '\n',
  '"',
  '😀',
  '👩‍👩‍👧‍👦',
  '\u00e9', // composed …
  'e\u0301', // … and decomposed
  '\ufeff',
  '\ufffd',
  '\uffff',
  '1',
  1,
  '-0',
  0,
  '0',
  'NaN',
  -1,
  1.5,
  -1.5,
  5e-324,
  1.7976931348623157e308,
  -1.7976931348623157e308,
  2 ** 53,
  'é'.repeat(512), // 1,024 bytes of UTF-8: the longest
  'a'.repeat(1_024),
  'a'.repeat(1_023),
]

/** What cannot be a key, and what is said about it. */
export const BAD_KEYS: readonly (readonly [key: unknown, reason: RegExp])[] = [
  [undefined, /of type undefined/],
  [null, /is null/],
  [true, /of type boolean/],
  [{}, /of type object/],
  [['a'], /of type object/],
  [1n, /of type bigint/],
  [Number.NaN, /is NaN; a key must be a finite number/],
  [Number.POSITIVE_INFINITY, /is Infinity/],
  ['\ud800', /lone surrogate/],
  ['a\udc00b', /lone surrogate/],
  ['a'.repeat(1_025), /more than 1024 bytes/],
  ['é'.repeat(513), /more than 1024 bytes/],
  ['😀'.repeat(257), /more than 1024 bytes/],
]
