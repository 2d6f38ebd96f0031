/** Text cut into records, whatever pieces it comes in. */
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../runtime/errors.ts'
import { CsvCutter } from '../../runtime/source/format/csv.ts'
import { CutRecords, type Cutter } from '../../runtime/source/format/cutter.ts'
import { JsonlCutter } from '../../runtime/source/format/jsonl.ts'
import { Undecodable } from '../../runtime/source/source.ts'
import { newSeed, randomFrom } from '../support/random.ts'

const csv = (textColumns: readonly string[] = [], header?: readonly string[]): CsvCutter =>
  new CsvCutter({ path: 'x.csv', textColumns: new Set(textColumns), header })

interface Cut {
  readonly values: unknown[]
  readonly lines: number[]
  readonly texts: string[]
}

/** Cuts a text that comes in two pieces, and in batches of at most `recordsMax`. */
function cutAll(cutter: Cutter, text: Buffer, border = text.length, recordsMax = 1_000): Cut {
  const cut: Cut = { values: [], lines: [], texts: [] }
  let [at, line] = [0, 0]
  for (const end of [border, text.length]) {
    for (;;) {
      const into = new CutRecords(line, recordsMax)
      const next = cutter.cut(text, at, end, end === text.length, into)
      const isOver = next === at
      at = next
      line = into.line
      cut.values.push(...into.values)
      for (let i = 0; i < into.values.length; i++) {
        cut.lines.push(into.lines[i] as number)
        cut.texts.push(text.toString('utf8', into.starts[i], into.ends[i]))
      }
      if (isOver) break
    }
  }
  expect(at).toBe(text.length)
  return cut
}

const values = (text: string, textColumns: readonly string[] = []): unknown[] =>
  cutAll(csv(textColumns), Buffer.from(text)).values

describe('CSV', () => {
  it('makes objects by the names of the header', () => {
    expect(values('userId,name\n1,Ann\n2,Bo\n')).toEqual([
      { userId: 1, name: 'Ann' },
      { userId: 2, name: 'Bo' },
    ])
  })

  it('does not need a line end at its end, and passes blank lines over', () => {
    expect(values('a\n\n1\n\r\n2')).toEqual([{ a: 1 }, { a: 2 }])
    expect(values('')).toEqual([])
    expect(values('a,b')).toEqual([])
  })

  it('takes both kinds of line ends, also mixed', () => {
    expect(values('a,b\r\n1,x\r\n2,y\n')).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: 'y' },
    ])
  })

  it('takes quoted fields with commas, quotes and line ends in them', () => {
    expect(values('a,b\n"x,y","say ""hi"""\n"two\nlines",""\n"1",2\n')).toEqual([
      { a: 'x,y', b: 'say "hi"' },
      { a: 'two\nlines', b: '' },
      { a: '1', b: 2 },
    ])
  })

  it('takes a quote inside of a field without quotes for itself', () => {
    expect(values('a,b\n5" disk,x\ny"",z\n"q",it"s\n')).toEqual([
      { a: '5" disk', b: 'x' },
      { a: 'y""', b: 'z' },
      { a: 'q', b: 'it"s' },
    ])
  })

  it('sets records aside whose quotes do not fit', () => {
    expect(values('a,b\n"x"y,1\n2,"ok"\n3,"cut o')).toEqual([
      new Undecodable('there is text behind a closing quote'),
      { a: 2, b: 'ok' },
      new Undecodable('a quote is not closed'),
    ])
  })

  it('keeps empty fields', () => {
    expect(values('a,b,c\n,,\n1,,3\n')).toEqual([
      { a: '', b: '', c: '' },
      { a: 1, b: '', c: 3 },
    ])
  })

  it('names the lines of its records, with those inside of quotes counted', () => {
    const { lines, texts } = cutAll(csv(), Buffer.from('a,b\n1,2\n\n"x\ny",3\n4,5\n'))
    expect(lines).toEqual([2, 4, 6])
    expect(texts).toEqual(['1,2', '"x\ny",3', '4,5'])
  })

  it('makes numbers of canonical decimal numbers, and of nothing else', () => {
    const numbers = [
      '0',
      '1',
      '-1',
      '10',
      '1.5',
      '-0.25',
      '0.1',
      '123456789012345',
      '0.5',
      '3.10',
      '1260759144',
    ]
    const texts = [
      '00',
      '01',
      '-01',
      '-0',
      '-0.0',
      '1.',
      '.5',
      '-',
      '+1',
      '1e3',
      '1E3',
      '0x10',
      'NaN',
      'Infinity',
      '1234567890123456',
      '0.1234567890123456',
      ' 1',
      '1 ',
      '1_000',
      '１',
      '--1',
      '1.2.3',
      'true',
    ]
    const read = (text: string): unknown => (values(`a,b\n${text},x\n`)[0] as { a: unknown }).a
    for (const text of numbers) expect(read(text)).toBe(Number(text))
    for (const text of texts) expect(read(text)).toBe(text)
  })

  it('makes the very number that is written', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    for (let n = 0; n < 5_000; n++) {
      const decimals = Math.floor(random() * 8)
      const digits = Math.floor(random() * 10 ** (1 + Math.floor(random() * (14 - decimals))))
      const fraction = `${Math.floor(random() * 10 ** decimals)}`.padStart(decimals, '0')
      const sign = random() < 0.5 ? '-' : ''
      const text = `${sign}${digits}${decimals > 0 ? `.${fraction}` : ''}`
      if (Number(text) === 0) continue
      expect(values(`a\n${text}\n`), `seed ${seed}`).toEqual([{ a: Number(text) }])
    }
  })

  it('reads records of numbers among others as it reads them one by one', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const of = <Choice>(choices: readonly Choice[]): Choice =>
      choices[Math.floor(random() * choices.length)] as Choice
    const digits = (max: number): string =>
      `${Math.floor(random() * 10 ** (1 + Math.floor(random() * max)))}`
    const number = (): string => of([digits(4), digits(15), `${digits(6)}.${digits(8)}`])
    const unusual = ['', '0', '00', '7.', '.7', '-3', '-0', '1e5', 'a', '"4"', '"4,5"', '1\r', ' 2']
    const field = (): string => (random() < 0.05 ? of(unusual) : number())
    let fast = 0
    for (let round = 0; round < 200; round++) {
      const columns = 1 + Math.floor(random() * 5)
      const header = Array.from({ length: columns }, (_, i) => `c${i}`)
      const lines = Array.from({ length: 50 }, () => {
        const width = random() < 0.02 ? columns + of([-1, 1]) : columns
        return Array.from({ length: width }, field).join(',')
      })
      const text = Buffer.from(`${lines.join('\n')}\n`)
      const into = new CutRecords(0, 1_000)
      csv([], header).cut(text, 0, text.length, true, into)
      // A record by itself ends too soon for the fast way.
      const single = lines.flatMap((line) => cutAll(csv([], header), Buffer.from(line)).values)
      expect(into.values, `seed ${seed}: ${text.toString()}`).toStrictEqual(single)
      fast += into.numbersCount
    }
    expect(fast).toBeGreaterThan(5_000)
  })

  it('keeps columns as text that are declared so', () => {
    expect(values('id,zip\n7,01234\n8,99999\n', ['zip'])).toEqual([
      { id: 7, zip: '01234' },
      { id: 8, zip: '99999' },
    ])
  })

  it('takes names that mean something in JavaScript for names', () => {
    const [row] = values("__proto__,constructor,a'b,f[0],});x({\n1,2,3,4,5\n") as [object]
    expect(Object.entries(row)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
      ["a'b", 3],
      ['f[0]', 4],
      ['});x({', 5],
    ])
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
  })

  it('sets records aside that have more or fewer fields than the header', () => {
    expect(values('a,b\n1\n1,2,3\n1,2\n1,2,\n')).toEqual([
      new Undecodable('has 1 fields, the header has 2'),
      new Undecodable('has 3 fields, the header has 2'),
      { a: 1, b: 2 },
      new Undecodable('has 3 fields, the header has 2'),
    ])
  })

  it('sets records aside that are not UTF-8, quoted or not', () => {
    const text = Buffer.concat([
      Buffer.from('a,b\n1,'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('\n2,"x'),
      Buffer.from([0xc3]),
      Buffer.from('"\n3,é\n'),
    ])
    expect(cutAll(csv(), text).values).toEqual([
      new Undecodable('not UTF-8'),
      new Undecodable('not UTF-8'),
      { a: 3, b: 'é' },
    ])
  })

  it('refuses a header that cannot name fields', () => {
    expect(() => values('a,,c\n')).toThrow(
      new ConfigError('x.csv: column 2 of the header has no name'),
    )
    expect(() => values('a,b,a\n')).toThrow(ConfigError)
  })

  it('goes on behind its header when reading starts further on', () => {
    expect(cutAll(csv([], ['a', 'b']), Buffer.from('1,2\n')).values).toEqual([{ a: 1, b: 2 }])
  })

  it('is the same whatever pieces and batches it comes in', () => {
    const text = Buffer.from(
      'id,näme,x\r\n1,"a,""b""\r\nc",1.5\n\n22,é😀,\r\n333,"","q"\n4,5\n55,z,-7',
    )
    const whole = cutAll(csv(), text)
    expect(whole.values).toHaveLength(5)
    for (let border = 0; border <= text.length; border++) {
      for (const recordsMax of [1, 2, 1_000]) {
        expect(cutAll(csv(), text, border, recordsMax), `border ${border}`).toEqual(whole)
      }
    }
  })

  it('is what a parser reads that goes character by character', () => {
    const seed = newSeed()
    const random = randomFrom(seed)
    const of = <Choice>(choices: readonly Choice[]): Choice =>
      choices[Math.floor(random() * choices.length)] as Choice
    for (let round = 0; round < 300; round++) {
      const field = (): string => {
        const text = Array.from({ length: Math.floor(random() * 4) }, () =>
          of(['a', '7', ',', '"', '\n', '\r', 'é', ' ', '.']),
        ).join('')
        const mustQuote = /[",\n\r]/.test(text) || random() < 0.2
        return mustQuote ? `"${text.replaceAll('"', '""')}"` : text
      }
      const lines = Array.from({ length: 5 }, () => `x${field()},${field()}`.replace(/^x"/, '"x'))
      const text = `a,b\n${lines.join(of(['\n', '\r\n']))}\n`
      const read = values(text, ['a', 'b'])
      expect(read, `seed ${seed}: ${JSON.stringify(text)}`).toEqual(slowCsv(text))
    }
  })
})

function slowCsv(text: string): unknown[] {
  const rows: string[][] = []
  let [row, field, quoted] = [[] as string[], '', false]
  for (let i = 0; i < text.length; i++) {
    const [char, next] = [text[i], text[i + 1]]
    if (quoted && char === '"' && next === '"') {
      field += '"'
      i += 1
    } else if (char === '"') quoted = !quoted
    else if (quoted) field += char
    else if (char === ',') {
      row.push(field)
      field = ''
    } else if (char === '\n') {
      row.push(field)
      rows.push(row)
      row = []
      field = ''
    } else if (!(char === '\r' && next === '\n')) field += char
  }
  return rows.slice(1).map(([a, b]) => ({ a, b }))
}

describe('JSON Lines', () => {
  const jsonl = (text: string | Buffer): unknown[] =>
    cutAll(new JsonlCutter(), Buffer.from(text)).values

  it('are values, a line each', () => {
    expect(jsonl('{"a":1}\n\n[2]\r\n"x"\nnull\n 5 ')).toEqual([{ a: 1 }, [2], 'x', null, 5])
  })

  it('are set aside when they are cut off or not JSON', () => {
    expect(jsonl('{"a":\n1\nNaN\n{"b":2')).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/^not JSON: /) as string }),
      1,
      expect.objectContaining({ reason: expect.stringMatching(/^not JSON: /) as string }),
      expect.objectContaining({ reason: expect.stringMatching(/^not JSON: /) as string }),
    ])
  })

  it('are set aside when they are not UTF-8, and not when they have a replacement character', () => {
    const text = Buffer.concat([
      Buffer.from('"'),
      Buffer.from([0xff]),
      Buffer.from('"\n"\ufffd"\n'),
    ])
    expect(jsonl(text)).toEqual([new Undecodable('not UTF-8'), '\ufffd'])
  })

  it('are the same whatever pieces and batches they come in', () => {
    const text = Buffer.from('{"a":"é😀"}\r\n\n[1]\n{"b":\n"x\\ny"\n7')
    const whole = cutAll(new JsonlCutter(), text)
    expect(whole.values).toHaveLength(5)
    for (let border = 0; border <= text.length; border++) {
      for (const recordsMax of [1, 2, 1_000]) {
        expect(cutAll(new JsonlCutter(), text, border, recordsMax)).toEqual(whole)
      }
    }
  })
})
