/** Loaded before a program (`node --import`): says at its end how long its event loop was blocked at most. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const RESOLUTION_MS = 1
/** Loading the program blocks too, and is not meant. */
const STARTED_AFTER_MS = 500

// A thread of the program loads this too; its event loop is nobody's concern.
if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  setTimeout(() => delay.reset(), STARTED_AFTER_MS).unref()
  process.on('exit', () => {
    console.log(`event loop blocked at most ${(delay.max / 1e6).toFixed(1)} ms`)
  })
}
