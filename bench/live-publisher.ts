/**
 * Publishes records at a steady rate, each with the time at which it was published:
 * `live-publisher <url> <stream> <records a second> <seconds>`. No acknowledgements: who runs it counts
 * what the stream took.
 */
import { connect } from 'nats'

const [url = '', stream = '', rateText = '', secondsText = ''] = process.argv.slice(2)
const rate = Number(rateText)
const total = rate * Number(secondsText)
const USERS = 10_000

const connection = await connect({ servers: url, noAsyncTraces: true })
const startedMs = performance.now()
let sent = 0
while (sent < total) {
  // What is due by now: a millisecond's worth, more after a millisecond that came late.
  const due = Math.min(total, Math.floor(((performance.now() - startedMs) * rate) / 1_000))
  for (; sent < due; sent++) {
    const userId = 1 + ((Math.imul(sent, 2_654_435_761) >>> 0) % USERS)
    const record = { userId, movieId: 1 + (sent % 400), rating: 3.5, publishedAt: Date.now() }
    connection.publish(stream, JSON.stringify(record))
  }
  await new Promise((resolve) => setTimeout(resolve, 1))
}
await connection.flush()
await connection.close()
console.log(JSON.stringify({ records: sent, seconds: (performance.now() - startedMs) / 1_000 }))
