/** What a reader passes is heard by who sends, whenever it is said. */
import { describe, expect, it } from 'vitest'
import { LocalLink } from '../../runtime/task/exchange-link.ts'
import { frames } from '../../runtime/task/exchange-output.ts'
import { FrameDelivery } from '../../runtime/task/frame-delivery.ts'
import { Outbox } from '../../runtime/task/outbox.ts'
import { RemoteSendingEnd } from '../../runtime/job/remote-links.ts'

const LINK = { exchange: 'by group', from: '0', to: '1' }

function outboxOfOne(): Outbox {
  const outbox = new Outbox({ name: 'by group/1', destination: 0, sink: frames })
  outbox.push(Buffer.from('a frame'), 0, undefined)
  const steps = outbox.write({ put: () => undefined, remove: () => undefined }, 1)
  for (const _ of steps);
  return outbox
}

describe('a sender that is opened again', () => {
  // The reader had read the frame before the sender failed, and makes it durable while that opens.
  it.each([
    ['in the same process', new LocalLink(), (link: LocalLink) => link.pass(1)],
    [
      'in another process',
      new RemoteSendingEnd(LINK, () => undefined),
      (link: RemoteSendingEnd) => link.notePassed(1),
    ],
  ] as [string, LocalLink, (link: unknown) => void][])(
    'trims what a reader %s passes between its opening and its start',
    async (_, link, pass) => {
      const outbox = outboxOfOne()
      let heard = 0
      const delivery = new FrameDelivery(outbox, link, () => (heard += 1))
      await delivery.openSink()
      pass(link)
      delivery.start()
      expect(outbox.isEmpty).toBe(true)
      expect(heard).toBe(1)
    },
  )
})
