/**
 * A thread that puts the rows of one large commit after another into the store's environment, each
 * commit as one transaction. It waits for blocks inside the transaction, so it does nothing else; what it
 * has not committed when the process dies was never there.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { invariant, reasonOf } from '../errors.ts'
import { NOTHING_OF_IT, openEnvironment } from './lmdb-environment.ts'
import { readRows } from './row-block.ts'
import type { StoreWriter } from './store.ts'

export interface ThreadData {
  readonly folder: string
  /** Counts messages to the thread, and wakes it when it waits for one. */
  readonly sent: Int32Array<SharedArrayBuffer>
}

/** To the thread: rows of the commit that is being put together, and how it ends. */
export type ToThread =
  { readonly rows: ArrayBuffer; readonly length: number } | 'commit' | 'abort' | 'close'

/** From the thread: a block that was put and is free again, and how a commit ended. */
export type FromThread =
  { readonly free: ArrayBuffer } | { readonly ended: true } | { readonly failed: string }

invariant(parentPort !== null, 'the store thread is started by its store')
const port = parentPort
const { folder, sent } = workerData as ThreadData
const { root, tables } = openEnvironment(folder, false)
/** What came last. */
let last: ToThread
const writer: StoreWriter = {
  put: (table, key, value) => void tables[table].put(key, value),
  remove: (table, key) => void tables[table].remove(key),
}

port.on('message', (first: ToThread) => {
  last = first
  if (typeof last === 'object') {
    try {
      root.transactionSync(takeCommit)
      say({ ended: true })
    } catch (error) {
      // A transaction that could not even begin has taken nothing of what comes.
      while (typeof last === 'object') last = nextMessage()
      say({ failed: reasonOf(error) })
    }
  }
  if (last === 'close') void root.close().then(() => port.close())
})

/** Puts what comes until the commit's end; what fails is said behind it, when nothing is sent any more. */
function takeCommit(): unknown {
  let failure: { readonly error: unknown } | undefined
  while (typeof last === 'object') {
    const { rows, length } = last
    try {
      if (failure === undefined) readRows(Buffer.from(rows, 0, length), writer)
    } catch (error) {
      failure = { error }
    }
    say({ free: rows }, [rows])
    last = nextMessage()
  }
  // Thrown, it takes the transaction back.
  if (failure !== undefined) throw failure.error
  return last === 'commit' ? undefined : NOTHING_OF_IT
}

function nextMessage(): ToThread {
  for (;;) {
    const seen = Atomics.load(sent, 0)
    const received = receiveMessageOnPort(port)
    if (received !== undefined) return received.message as ToThread
    Atomics.wait(sent, 0, seen)
  }
}

function say(message: FromThread, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, [...transfer])
}
