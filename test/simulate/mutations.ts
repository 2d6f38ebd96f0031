/**
 * Bugs to put into the code on purpose: each a text of a source file and what takes its place. A simulation
 * that does not find one of them would not find the like of it either. docs/FAULTS.md has the seeds.
 */
export interface Patch {
  readonly file: string
  readonly text: string
  readonly replacement: string
}

export interface Mutation {
  readonly name: string
  readonly patches: readonly Patch[]
}

const one = (name: string, file: string, text: string, replacement: string): Mutation => ({
  name,
  patches: [{ file: `runtime/${file}`, text, replacement }],
})

const TASK = 'task/task.ts'
const OUTBOX = 'task/outbox.ts'
const INGEST = 'task/ingest.ts'
const OWN = 'sink/jetstream-sink.ts'
const SHARED = 'sink/jetstream-shared-sink.ts'
const FILE = 'sink/file-sink.ts'
const LOG_INPUT = 'source/log-input.ts'
const READER = 'log/jetstream-reader.ts'

export const MUTATIONS: readonly Mutation[] = [
  // ── the commit ─────────────────────────────────────────────────────────────────────────────────
  one(
    'results are handed over at the commit, not at the flush',
    TASK,
    `    await store.flushed()
    this.#durableEpoch = epoch`,
    `    for (const delivery of deliveries) delivery.announce(epoch)
    await store.flushed()
    this.#durableEpoch = epoch`,
  ),
  one(
    'results are handed over before the commit',
    TASK,
    `    await store.commit(function* (writer) {`,
    `    for (const delivery of deliveries) delivery.announce(epoch)
    await store.commit(function* (writer) {`,
  ),
  one(
    'no flush at an opening',
    TASK,
    `    await store.flushed()
    this.#durableEpoch = epoch`,
    `    if (epoch > (this.#parts.last?.epoch ?? 0) + 2) await store.flushed()
    this.#durableEpoch = epoch`,
  ),
  one(
    'a flush that failed counts as a good one',
    TASK,
    `    await store.flushed()
    this.#durableEpoch = epoch`,
    `    await store.flushed().catch(() => undefined)
    this.#durableEpoch = epoch`,
  ),
  one(
    'a commit does not wait for the one before it',
    TASK,
    `if (this.#inFlight !== undefined || this.#inputs.isMidBatch) return false`,
    `if (this.#inputs.isMidBatch) return false`,
  ),
  one(
    'a commit follows one that failed',
    TASK,
    `    if (this.#failure !== undefined) throw this.#failure
    await this.#startCommit(`,
    `    await this.#startCommit(`,
  ),
  one(
    'positions are those of the epoch before',
    'task/task-parts.ts',
    `for (const { isOpen, input, row } of ingests) if (isOpen) inputs[input.id] = row`,
    `for (const ingest of ingests) {
    const kept = ingest as unknown as { stale?: typeof ingest.row }
    if (ingest.isOpen) inputs[ingest.input.id] = kept.stale ?? ingest.row
    kept.stale = ingest.row
  }`,
  ),
  one(
    'what a sink has taken is trimmed and not remembered',
    'task/task-parts.ts',
    `if (known !== undefined) sinks[name] = known`,
    `if (known !== undefined) sinks[name] = last?.sinks[name] ?? known`,
  ),
  one(
    'a cut shows an epoch that is not flushed',
    TASK,
    `    await store.flushed()
    this.#durableEpoch = epoch
    this.#answerCuts()`,
    `    this.#answerCuts()
    await store.flushed()
    this.#durableEpoch = epoch`,
  ),
  // ── the outbox ─────────────────────────────────────────────────────────────────────────────────
  one(
    'rows are trimmed in the commit after the one with their length',
    OUTBOX,
    `    for (const first of this.#toTrim) writer.remove('outbox', outboxKey(this.destination, first))
    this.#toTrim = []`,
    `    const kept = this as unknown as { later?: number[] }
    for (const first of kept.later ?? []) writer.remove('outbox', outboxKey(this.destination, first))
    kept.later = this.#toTrim
    this.#toTrim = []`,
  ),
  one(
    'one sequence of numbers for all sinks of a task',
    OUTBOX,
    `    this.#nextNumber = lastOf(row) + 1
    this.#open.push(row)`,
    `    const task = Outbox as unknown as { next?: number }
    task.next = Math.max(task.next ?? 0, lastOf(row) + 1)
    this.#nextNumber = task.next
    this.#open.push(row)`,
  ),
  one(
    'what waited at a restart is forgotten',
    OUTBOX,
    `      this.#waiting.push({ ...row, epoch })
      this.#waitingBytes += row.bytes.length
    }
    this.#nextNumber`,
    `    }
    this.#nextNumber`,
  ),
  one(
    'numbers begin again behind what is taken',
    OUTBOX,
    `    this.#nextNumber = last + 1
    if (taken`,
    `    this.#nextNumber = takenNumber + 1
    if (taken`,
  ),
  one(
    'a row of an outbox is not checked for damage',
    OUTBOX,
    `row.length < HEADER_BYTES || row.readUInt32LE(0) !== crc32(row, 4)`,
    `row.length < HEADER_BYTES`,
  ),
  one(
    'a delivery that failed counts as taken',
    'task/delivery.ts',
    `        await this.#reopen(error, signal)
      }
      onProgress()`,
    `        await this.#reopen(error, signal)
        const { first, ends } = rows.at(-1) ?? { first: 1, ends: [] }
        outbox.acknowledge({ memo: null, ...outbox.known, number: first + ends.length - 1 })
      }
      onProgress()`,
  ),
  // ── inputs and time ────────────────────────────────────────────────────────────────────────────
  one('the watermark is not taken up at a restart', INGEST, `    this.watermark.restore(row)`, ``),
  one(
    'times behind operators are not taken up at a restart',
    TASK,
    `    times.restore(last?.times ?? {})`,
    ``,
  ),
  one(
    'a record that is refused is not counted or kept',
    INGEST,
    `    this.#options.reject(reason)
  }`,
    `  }`,
  ),
  one(
    'a message is read again after a restart',
    LOG_INPUT,
    `await log.read(stream, partition, sequence, end)`,
    `await log.read(stream, partition, Math.max(0, sequence - 1), end)`,
  ),
  one(
    'a message is left out after a restart',
    LOG_INPUT,
    `await log.read(stream, partition, sequence, end)`,
    `await log.read(stream, partition, known === undefined ? sequence : Math.min(state.last, sequence + 1), end)`,
  ),
  {
    name: 'a source that was made again is taken for the one of before',
    patches: [
      {
        file: `runtime/${LOG_INPUT}`,
        text: `if (created !== state.created) {`,
        replacement: `if (created === '') {`,
      },
      {
        file: 'runtime/log/jetstream-loss.ts',
        text: `if (info.created !== created) throw`,
        replacement: `if (created === '') throw`,
      },
    ],
  },
  {
    name: 'a source that lost its end is read on',
    patches: [
      {
        file: `runtime/${LOG_INPUT}`,
        text: `if (sequence > state.last) {`,
        replacement: `if (sequence < 0) {`,
      },
      {
        file: 'runtime/log/jetstream-loss.ts',
        text: `if (last < position) throw`,
        replacement: `if (last < 0) throw`,
      },
    ],
  },
  {
    name: 'a batch waits for an end that the log has lost',
    patches: [
      {
        file: `runtime/${LOG_INPUT}`,
        text: `if (end <= last) return end`,
        replacement: `if (end >= 0) return end`,
      },
      {
        file: `runtime/${READER}`,
        text: `if (last < this.#until) throw`,
        replacement: `if (last < 0) throw`,
      },
    ],
  },
  one(
    'messages that were discarded before they were read are passed over',
    READER,
    `    if (!this.#skipLoss) throw loss`,
    `    if (this.#stream === '') throw loss`,
  ),
  one(
    'a hole in the deliveries of a consumer is not seen',
    'log/jetstream-pull.ts',
    `if (delivery !== this.#delivered + 1) {`,
    `if (delivery < 0) {`,
  ),
  one(
    'a row of the state is not checked for damage',
    'state/row-codec.ts',
    `row.length <= HEADER_BYTES || row.readUInt32BE(0) !== crc32(row, CRC_BYTES)`,
    `row.length <= HEADER_BYTES`,
  ),
  // ── a stream of its own ────────────────────────────────────────────────────────────────────────
  one(
    'own stream: written without expectation',
    OWN,
    `      'Nats-Expected-Last-Sequence',`,
    `      'Millrace-Place',`,
  ),
  one(
    'own stream: an end that retention removed means that nothing is stored',
    OWN,
    `    const stored = info.state.last_seq - base
    if (stored`,
    `    const stored = info.state.messages === 0 ? this.#number : info.state.last_seq - base
    if (stored`,
  ),
  one(
    'own stream: what a doubt finds is not taken',
    OWN,
    `      this.#number = to
    }
    this.#inDoubt`,
    `    }
    this.#inDoubt`,
  ),
  one(
    'own stream: a stream that was made again is not told apart',
    OWN,
    `if (info.created !== created) throw`,
    `if (created === '') throw`,
  ),
  one(
    'own stream: the base is drawn anew at every opening',
    OWN,
    `const memo = taken === undefined ? freshMemo(info, owner) : memoOf(taken)`,
    `const memo = taken === undefined ? freshMemo(info, owner) : { ...memoOf(taken), base: info.state.last_seq - taken.number }`,
  ),
  // ── a shared stream ────────────────────────────────────────────────────────────────────────────
  one(
    'shared stream: no scan at a restart',
    SHARED,
    `    this.#inDoubt = made > this.#number
`,
    `    this.#inDoubt = made < 0
`,
  ),
  one(
    'shared stream: the last result taken is the largest acknowledged one',
    SHARED,
    `    while (this.#stored.delete(this.#number + 1)) this.#number++`,
    `    this.#number = Math.max(this.#number, number)`,
  ),
  one(
    'shared stream: ids of an earlier run are taken for its own',
    'sink/jetstream-stream.ts',
    `  return [owner.run, owner.job,`,
    `  return ['run', owner.job,`,
  ),
  one(
    'shared stream: one that was made again is not told apart',
    SHARED,
    `if (info.created !== this.#created) {`,
    `if (this.#created === '') {`,
  ),
  one(
    'shared stream: nobody looks after the connection was lost',
    SHARED,
    `if (this.#mustLook && !this.#inDoubt) await this.#look()`,
    ``,
  ),
  one(
    'chained stream: written by ids alone, without expectation',
    SHARED,
    `      'Nats-Expected-Last-Sequence': String(this.#scannedTo),
`,
    ``,
  ),
  // ── files and the embedded log ─────────────────────────────────────────────────────────────────
  one('file: a write counts as taken, without a sync', FILE, `      await file.datasync()`, ``),
  one(
    'file: not cut back at a restart',
    FILE,
    `      await file.truncate(Math.max(this.#length, this.#compareTo))`,
    ``,
  ),
  one(
    'file: goes on at its end, not at the committed length',
    FILE,
    `      this.#length = memo?.length ?? 0
      this.#columns`,
    `      this.#length = size
      this.#columns`,
  ),
  one(
    'file: a short write is taken for a whole one',
    FILE,
    `    left = withoutFirst(left, bytesWritten)`,
    `    left = bytesWritten > 0 ? left.slice(CHUNKS_MAX) : left`,
  ),
  one(
    'embedded log: appended without the number of its producer',
    'sink/embedded-sink.ts',
    `messages, { id, firstNumber: row.first })`,
    `messages)`,
  ),
]
