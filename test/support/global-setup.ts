/**
 * Once, before the test files run side by side: nats-server is looked for, and installed where that
 * can be done, so that no two files install it at once. Where it cannot, this says how to, and the
 * tests that need it fail.
 */
import { reasonOf } from '../../runtime/errors.ts'
import { natsServerPath } from './nats-server.ts'

export function setup(): void {
  try {
    natsServerPath()
  } catch (error) {
    console.error(reasonOf(error))
  }
}
