/** The calls of an S3 service that snapshots need, signed and tried again; their errors by what is to be done. */
import type { AwsClient } from 'aws4fetch'
import { ConfigError, reasonOf, UnavailableError } from '../errors.ts'

export interface S3Options {
  readonly bucket: string
  /** URL of the service, without the bucket. */
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** How long one request may take; default 60 s. */
  readonly timeoutMs?: number
}

export interface S3Page {
  readonly objects: readonly { readonly key: string; readonly changedAt: number }[]
  /** What keys begin with up to the delimiter. */
  readonly prefixes: readonly string[]
  /** Asks for the next page. */
  readonly next: string | undefined
}

/** What a PUT became. */
export type PutOutcome = 'put' | 'exists'

const RETRIES = 4
const TIMEOUT_MS = 60_000
const ERROR_CHARACTERS_MAX = 10_000

export class S3Requests {
  readonly #options: S3Options
  readonly #base: string
  #client: Promise<AwsClient> | undefined

  constructor(options: S3Options) {
    this.#options = options
    // By path and not by host name: every service takes that, whatever the bucket is called.
    this.#base = `${options.endpoint.replace(/\/+$/, '')}/${encodeURIComponent(options.bucket)}`
  }

  /** @param only new: nothing is changed when there is an object already. */
  async put(key: string, bytes: Uint8Array, only?: 'new'): Promise<PutOutcome> {
    const response = await this.#fetch('PUT', pathOf(key), {
      body: bytes,
      headers: only === undefined ? {} : { 'If-None-Match': '*' },
    })
    if (response.status === 412) {
      await response.body?.cancel()
      return 'exists'
    }
    await this.#finished(response, `PUT ${key}`)
    return 'put'
  }

  async has(key: string): Promise<boolean> {
    const response = await this.#fetch('HEAD', pathOf(key))
    if (response.status === 404) return false
    await this.#finished(response, `HEAD ${key}`)
    return true
  }

  /** Its bytes as they come; undefined when there is no such object. */
  async get(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const response = await this.#fetch('GET', pathOf(key))
    if (response.ok) return this.#pieces(response, key)
    const error = await errorOf(response)
    if (response.status === 404 && error.code !== 'NoSuchBucket') return undefined
    throw this.#problem(response.status, error, `GET ${key}`)
  }

  async *#pieces(response: Response, key: string): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of response.body ?? []) yield piece
    } catch (error) {
      throw this.#away(error, `GET ${key}`)
    }
  }

  /** @param delimiter keys that go on behind it are told by what they begin with. */
  async page(prefix: string, delimiter?: '/', next?: string): Promise<S3Page> {
    const query = new URLSearchParams({ 'list-type': '2', prefix })
    if (delimiter !== undefined) query.set('delimiter', delimiter)
    if (next !== undefined) query.set('continuation-token', next)
    const response = await this.#fetch('GET', `?${query.toString()}`)
    if (!response.ok) {
      throw this.#problem(response.status, await errorOf(response), `LIST ${prefix}`)
    }
    return pageOf(await response.text())
  }

  /** Nothing happens when there is no such object. */
  async remove(key: string): Promise<void> {
    const response = await this.#fetch('DELETE', pathOf(key))
    if (response.status !== 404) await this.#finished(response, `DELETE ${key}`)
  }

  async #fetch(
    method: string,
    path: string,
    init: { readonly body?: Uint8Array; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Response> {
    try {
      const client = await (this.#client ??= load(this.#options))
      return await client.fetch(`${this.#base}${path}`, {
        method,
        ...init,
        signal: AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS),
      })
    } catch (error) {
      throw this.#away(error, method)
    }
  }

  async #finished(response: Response, what: string): Promise<void> {
    if (!response.ok) throw this.#problem(response.status, await errorOf(response), what)
    await response.body?.cancel()
  }

  #problem(status: number, { code, message }: S3Error, what: string): Error {
    const { bucket, endpoint } = this.#options
    const text =
      `the bucket ${bucket} of ${endpoint}: ${what}: ${status} ${code} ${message}`.trimEnd()
    if (status >= 500 || [408, 409, 429].includes(status)) return new UnavailableError(text)
    return new ConfigError(
      `${text}. Check bucket, endpoint, region and keys, and what the keys may do.`,
    )
  }

  #away(error: unknown, what: string): Error {
    const { bucket, endpoint } = this.#options
    // fetch hides the reason behind itself.
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    return new UnavailableError(
      `the bucket ${bucket} of ${endpoint} does not answer to ${what}: ${reasonOf(cause)}`,
      { cause: error },
    )
  }
}

/** Only jobs that use it load the client. */
async function load(options: S3Options): Promise<AwsClient> {
  const { AwsClient: Client } = await import('aws4fetch')
  const { accessKeyId, secretAccessKey, sessionToken, region } = options
  return new Client({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service: 's3',
    region,
    retries: RETRIES,
  })
}

const pathOf = (key: string): string => `/${key.split('/').map(encodeURIComponent).join('/')}`

interface S3Error {
  readonly code: string
  readonly message: string
}

async function errorOf(response: Response): Promise<S3Error> {
  const text = (await response.text().catch(() => '')).slice(0, ERROR_CHARACTERS_MAX)
  return { code: elements(text, 'Code')[0] ?? '', message: elements(text, 'Message')[0] ?? '' }
}

function pageOf(text: string): S3Page {
  const objects = elements(text, 'Contents').map((content) => ({
    key: elements(content, 'Key')[0] ?? '',
    changedAt: Date.parse(elements(content, 'LastModified')[0] ?? ''),
  }))
  const prefixes = elements(text, 'CommonPrefixes').map(
    (prefix) => elements(prefix, 'Prefix')[0] ?? '',
  )
  const isCut = elements(text, 'IsTruncated')[0] === 'true'
  return { objects, prefixes, next: isCut ? elements(text, 'NextContinuationToken')[0] : undefined }
}

/** What is in the elements of a name. The few answers that are read here have no attributes and no nesting of a name. */
function elements(text: string, name: string): string[] {
  const pattern = new RegExp(`<${name}>([^]*?)</${name}>`, 'g')
  return Array.from(text.matchAll(pattern), ([, content = '']) => withoutEntities(content))
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}

const withoutEntities = (text: string): string =>
  text.replaceAll(/&(?:#(\d+)|#x([\da-fA-F]+)|(\w+));/g, (all, decimal, hex, named) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex as string, 16))
    return ENTITIES[named as string] ?? all
  })
