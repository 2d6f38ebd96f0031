/**
 * A small S3 service in memory: put, get, head, delete and list by page, with the condition of a PUT. It
 * checks signatures as Amazon's Signature Version 4 says, from the words of that document and not by a client's code.
 */
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Stored {
  bytes: Buffer
  readonly changedAt: Date
}

const KEY_ID = 'AKIDTEST'
const SECRET = 'a secret/with+signs'
const REGION = 'eu-test-1'
const KEYS_PER_PAGE = 5

export class S3Server {
  readonly objects = new Map<string, Stored>()
  /** While set, every request is answered with it. */
  problem: { readonly status: number; readonly code: string } | undefined
  readonly requests: string[] = []
  readonly #server: Server
  readonly bucket = 'films'

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#serve(request, response)
    })
  }

  static async start(): Promise<S3Server> {
    const server = new S3Server()
    await new Promise<void>((done) => void server.#server.listen(0, '127.0.0.1', () => done()))
    return server
  }

  get options() {
    const { port } = this.#server.address() as AddressInfo
    return {
      bucket: this.bucket,
      endpoint: `http://127.0.0.1:${port}`,
      region: REGION,
      accessKeyId: KEY_ID,
      secretAccessKey: SECRET,
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((done) => void this.#server.close(() => done()))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const body = Buffer.concat(pieces)
    const url = new URL(request.url ?? '/', 'http://host')
    this.requests.push(`${request.method} ${url.pathname}`)
    if (this.problem !== undefined) {
      refuse(response, this.problem.status, this.problem.code)
    } else if (!isSigned(request, url, body)) {
      refuse(response, 403, 'SignatureDoesNotMatch')
    } else {
      const [, bucket, ...rest] = url.pathname.split('/').map(decodeURIComponent)
      if (bucket !== this.bucket) refuse(response, 404, 'NoSuchBucket')
      else this.#answer(request, response, { key: rest.join('/'), query: url.searchParams, body })
    }
  }

  #answer(
    { method, headers }: IncomingMessage,
    response: ServerResponse,
    { key, query, body }: { key: string; query: URLSearchParams; body: Buffer },
  ): void {
    const stored = this.objects.get(key)
    if (method === 'PUT') {
      if (stored !== undefined && headers['if-none-match'] === '*') {
        refuse(response, 412, 'PreconditionFailed')
        return
      }
      this.objects.set(key, { bytes: body, changedAt: new Date() })
      response.end()
    } else if (method === 'DELETE') {
      this.objects.delete(key)
      response.writeHead(204).end()
    } else if (method === 'GET' && key === '') {
      response.end(this.#list(query))
    } else if (stored === undefined) {
      refuse(response, 404, 'NoSuchKey')
    } else {
      response.writeHead(200, { 'content-length': stored.bytes.length })
      response.end(method === 'HEAD' ? undefined : stored.bytes)
    }
  }

  #list(query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? ''
    const delimiter = query.get('delimiter')
    const after = query.get('continuation-token') ?? ''
    const names = new Map<string, Stored | undefined>()
    for (const [key, stored] of [...this.objects].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (!key.startsWith(prefix)) continue
      const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
      if (end < 0) names.set(key, stored)
      else names.set(key.slice(0, end + 1), undefined)
    }
    const left = [...names].filter(([name]) => name > after)
    const page = left.slice(0, KEYS_PER_PAGE)
    const entries = page.map(([name, stored]) =>
      stored === undefined
        ? `<CommonPrefixes><Prefix>${escaped(name)}</Prefix></CommonPrefixes>`
        : `<Contents><Key>${escaped(name)}</Key><LastModified>${stored.changedAt.toISOString()}</LastModified></Contents>`,
    )
    const isCut = left.length > page.length
    const next = isCut
      ? `<NextContinuationToken>${escaped(page.at(-1)?.[0] ?? '')}</NextContinuationToken>`
      : ''
    return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Prefix>${escaped(prefix)}</Prefix><IsTruncated>${isCut}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`
  }
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status)
  response.end(`<Error><Code>${code}</Code><Message>said the test</Message></Error>`)
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Whether the Authorization header is what Signature Version 4 makes of the request. */
function isSigned(request: IncomingMessage, url: URL, body: Buffer): boolean {
  const { authorization = '' } = request.headers
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      authorization,
    )
  const [, credential = '', signedHeaders = '', signature = ''] = parts ?? []
  const [keyId, day = '', region, service, end] = credential.split('/')
  const at = String(request.headers['x-amz-date'])
  const isOurs = keyId === KEY_ID && region === REGION && service === 's3' && end === 'aws4_request'
  if (!isOurs || !at.startsWith(day) || !signedHeaders.split(';').includes('host')) return false
  const payload = String(request.headers['x-amz-content-sha256'])
  if (payload !== 'UNSIGNED-PAYLOAD' && payload !== hashOf(body)) return false
  const query = [...url.searchParams]
    .map(([name, value]) => `${strictly(name)}=${strictly(value)}`)
    .toSorted()
    .join('&')
  const headers = signedHeaders
    .split(';')
    .map((name) => `${name}:${String(request.headers[name]).trim().replaceAll(/\s+/g, ' ')}\n`)
    .join('')
  const path = url.pathname
    .split('/')
    .map((step) => strictly(decodeURIComponent(step)))
    .join('/')
  const canonical = [request.method, path, query, headers, signedHeaders, payload].join('\n')
  const scope = [day, region, service, end].join('/')
  const toSign = ['AWS4-HMAC-SHA256', at, scope, hashOf(canonical)].join('\n')
  const key = [day, REGION, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, step) => createHmac('sha256', secret).update(step).digest(),
    `AWS4${SECRET}`,
  )
  return createHmac('sha256', key).update(toSign).digest('hex') === signature
}

const hashOf = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** All but letters, digits, - . _ and ~ by their bytes. */
const strictly = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
