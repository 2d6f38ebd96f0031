import { reasonOf } from '../../errors.ts'
import { Undecodable } from '../source.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One JSON value. Text that is not UTF-8, is empty, or is not JSON is Undecodable. */
export function decodeJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return new Undecodable('not UTF-8')
  }
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    return new Undecodable(`not JSON: ${reasonOf(error)}`)
  }
}
