/** `millrace state`: looks into the state of a job, also while it runs. */
import { ConfigError, StateError } from '../errors.ts'
import { nearestName } from '../../config/nearest.ts'
import { EXIT } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import type { CliIo } from './io.ts'
import type { StateEntry, StateReader } from '../state/read-state.ts'
import type { CliServices } from './services.ts'
import { keysOf } from './key-argument.ts'
import { stateDirOf } from './target.ts'
import type { TargetFlags } from './target.ts'

export interface ScanFlags extends TargetFlags {
  readonly limit: number
}

/**
 * Prints the state of one key as a line of JSON.
 * @throws ConfigError for an unknown operator or a key that is not there; StateError without a state.
 */
export function stateGet(
  io: CliIo,
  services: CliServices,
  path: string,
  asked: { readonly operator: string; readonly key: string },
  flags: TargetFlags,
): Promise<ExitCode> {
  return withReader(io, services, path, flags, async (reader) => {
    checkOperator(reader, asked.operator)
    const entry = await findKey(reader, asked.operator, asked.key)
    if (entry === undefined) {
      throw new ConfigError(
        `operator '${asked.operator}' has no key ${asked.key} as of epoch ${reader.epoch}; 'millrace state scan' shows keys that are there`,
      )
    }
    io.out(`${lineOf(entry)}\n`)
  })
}

/** Prints the state of some keys, a line of JSON each. */
export function stateScan(
  io: CliIo,
  services: CliServices,
  path: string,
  operator: string,
  flags: ScanFlags,
): Promise<ExitCode> {
  return withReader(io, services, path, flags, async (reader) => {
    checkOperator(reader, operator)
    for await (const entry of reader.scan(operator, { limit: flags.limit })) {
      io.out(`${lineOf(entry)}\n`)
    }
  })
}

async function withReader(
  io: CliIo,
  services: CliServices,
  path: string,
  flags: TargetFlags,
  read: (reader: StateReader) => Promise<void>,
): Promise<ExitCode> {
  const stateDir = await stateDirOf(io, path, flags)
  const reader = await services.openStateReader(stateDir)
  try {
    await read(reader)
  } finally {
    await reader.close()
  }
  return EXIT.ok
}

function checkOperator(reader: StateReader, operator: string): void {
  const known = reader.operators()
  if (known.includes(operator)) return
  if (known.length === 0) throw new StateError('the state holds no keys yet; try again later')
  const near = nearestName(operator, known)
  const hint = near === undefined ? `it has ${known.join(', ')}` : `did you mean '${near}'?`
  throw new ConfigError(`the state has no operator '${operator}'; ${hint}`)
}

async function findKey(
  reader: StateReader,
  operator: string,
  written: string,
): Promise<StateEntry | undefined> {
  for (const key of keysOf(written)) {
    const entry = await reader.get(operator, key)
    if (entry !== undefined) return entry
  }
  return undefined
}

/** Maps and dates of the state have no JSON of their own. */
function lineOf(entry: StateEntry): string {
  return JSON.stringify(entry, (_, value: unknown) => {
    if (value instanceof Map) return [...value]
    if (value instanceof Set) return [...value]
    if (typeof value === 'bigint') return String(value)
    return value
  })
}
