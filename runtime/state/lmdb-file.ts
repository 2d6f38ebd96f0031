/**
 * What LMDB itself does not look at before it trusts a file: its two heads, of which it uses the newer one.
 * With a damaged head it does not fail but ends the process, and nobody learns why.
 *
 * The layout is that of mdb.c as lmdb 3.5 has it: page header (24), magic (4), version (4), address (8), map
 * size (8), then two databases of 48 bytes (page size and flags first, root page last), last page (8),
 * transaction (8); numbers as the machine has them.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'

const MAGIC = 0xbeefc0de
const VERSION = 2
const MAGIC_AT = 24
const VERSION_AT = 28
const PAGE_SIZE_AT = 48
const ROOTS_AT = [88, 136] as const
const TRANSACTION_AT = 152
const HEAD_BYTES = 160
const NO_PAGE = 0xffff_ffff_ffff_ffffn
const PAGE_BYTES_MIN = 256
const PAGE_BYTES_MAX = 65_536

interface Head {
  readonly pageBytes: number
  readonly roots: readonly bigint[]
  readonly transaction: bigint
}

/**
 * What is wrong with a file of LMDB, as far as its heads show it; undefined when nothing is, or there is none.
 * How long a file has to be does not show: pages at its end that are free need not be there.
 */
export function damageOf(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    // Not there yet, or not to be read: LMDB says so.
    return undefined
  }
  try {
    return fstatSync(file).size === 0 ? undefined : problemOf(file)
  } finally {
    closeSync(file)
  }
}

function problemOf(file: number): string | undefined {
  const first = readHead(file, 0)
  if (first === undefined) return 'it does not begin as a store does'
  const second = readHead(file, first.pageBytes)
  if (second === undefined) return 'its second head is damaged'
  // Looked at last: another process may write, and pages are there before a head speaks of them.
  const { size } = fstatSync(file)
  const newest = first.transaction > second.transaction ? first : second
  const pages = BigInt(Math.floor(size / newest.pageBytes))
  const isCut = newest.roots.some((root) => root !== NO_PAGE && root >= pages)
  return isCut ? `it ends after ${size} bytes, and what it begins with lies behind` : undefined
}

function readHead(file: number, at: number): Head | undefined {
  const bytes = Buffer.alloc(HEAD_BYTES)
  if (readSync(file, bytes, 0, HEAD_BYTES, at) < HEAD_BYTES) return undefined
  if (uint32(bytes, MAGIC_AT) !== MAGIC) return undefined
  if ((uint32(bytes, VERSION_AT) & 0xffff) !== VERSION) return undefined
  const pageBytes = uint32(bytes, PAGE_SIZE_AT)
  if (pageBytes < PAGE_BYTES_MIN || pageBytes > PAGE_BYTES_MAX) return undefined
  return {
    pageBytes,
    roots: ROOTS_AT.map((root) => uint64(bytes, root)),
    transaction: uint64(bytes, TRANSACTION_AT),
  }
}

const isLittle = endianness() === 'LE'
const uint32 = (bytes: Buffer, at: number): number =>
  isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
const uint64 = (bytes: Buffer, at: number): bigint =>
  isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)

/**
 * Errors of LMDB that say that the file is not what it should be: no attempt will find it whole. A bad
 * transaction is one in which a page could not be used; a full disk fails at its end, and otherwise.
 */
const DAMAGE = /MDB_(PAGE_NOTFOUND|CORRUPTED|PANIC|VERSION_MISMATCH|INVALID|BAD_TXN)\b/
const DAMAGE_CODES: ReadonlySet<unknown> = new Set([
  -30_797, -30_796, -30_795, -30_794, -30_793, -30_782,
])

/** Whether what LMDB threw says that its file is damaged. */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return DAMAGE.test(error.message) || DAMAGE_CODES.has((error as { code?: unknown }).code)
}
