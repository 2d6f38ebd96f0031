import { expect, test } from 'vitest'
import { UnavailableError } from '../../runtime/errors.ts'
import type { SnapshotManifest } from '../../runtime/snapshot/snapshot.ts'
import { SnapshotSchedule } from '../../runtime/snapshot/snapshot-schedule.ts'
import { ManualClock } from '../support/manual-clock.ts'

const EVERY_MS = 30_000

/** A schedule whose store is as the test says. */
function scene() {
  const clock = new ManualClock()
  const over = new AbortController()
  const said: string[] = []
  const state = { problem: '', isRunning: true, taken: 0, busy: 0, busyMost: 0 }
  const schedule = new SnapshotSchedule({
    everyMs: EVERY_MS,
    clock,
    isRunning: () => state.isRunning,
    take: async () => {
      state.busy += 1
      state.busyMost = Math.max(state.busyMost, state.busy)
      await clock.breathe()
      state.busy -= 1
      if (state.problem !== '') throw new UnavailableError(state.problem)
      state.taken += 1
      const tasks = [{ task: '0', epoch: state.taken, kind: 'pages', parts: [] }]
      return {
        id: `s${state.taken}`,
        createdAt: 0,
        tasks,
        files: [],
      } as unknown as SnapshotManifest
    },
    onTaken: ({ id }) => said.push(id),
    onFailed: (reason, failures, nextMs) => said.push(`${reason} ${failures} ${nextMs / 1_000} s`),
  })
  const running = schedule.run(over.signal)
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    for (let i = 0; i < 5; i++) await clock.breathe()
  }
  const end = async (): Promise<void> => {
    over.abort()
    await running
  }
  return { schedule, state, said, pass, end }
}

test('a snapshot is taken each time its time has come', async () => {
  const { said, pass, end } = scene()
  await pass(EVERY_MS - 1)
  expect(said).toEqual([])
  await pass(1)
  await pass(EVERY_MS)
  expect(said).toEqual(['s1', 's2'])
  await end()
})

test('one that fails is reported and tried again later and later, and then as before', async () => {
  const { schedule, state, said, pass, end } = scene()
  state.problem = 'full'
  await pass(EVERY_MS)
  expect(said).toEqual(['full 1 60 s'])
  await pass(EVERY_MS)
  expect(said).toHaveLength(1)
  await pass(EVERY_MS)
  expect(said[1]).toBe('full 2 120 s')
  expect(schedule.status).toEqual({ failures: 2, lastFailure: 'full' })
  for (let i = 0; i < 10; i++) await pass(1_200_000)
  expect(said.at(-1)).toMatch(/ 600 s$/)
  state.problem = ''
  await pass(600_000)
  expect(schedule.status).toEqual({
    failures: 0,
    last: { id: 's1', epoch: 1, createdAt: 0, bytes: 0 },
  })
  await pass(EVERY_MS)
  expect(said.at(-1)).toBe('s2')
  await end()
})

test('none is taken while the job does not run, and that is no failure', async () => {
  const { schedule, state, said, pass, end } = scene()
  state.isRunning = false
  await pass(EVERY_MS)
  await pass(EVERY_MS)
  expect([said, schedule.status]).toEqual([[], { failures: 0 }])
  state.isRunning = true
  await pass(EVERY_MS)
  expect(said).toEqual(['s1'])
  await end()
})

test('those that are asked for come one after the other with the rest, and tell who asked', async () => {
  const { schedule, state, pass, end } = scene()
  const asked = [schedule.take(), schedule.take()]
  await pass(EVERY_MS)
  expect((await Promise.all(asked)).map((manifest) => manifest?.id)).toEqual(['s1', 's2'])
  expect([state.taken, state.busyMost]).toEqual([3, 1])
  state.problem = 'full'
  await expect(schedule.take()).rejects.toThrow('full')
  await end()
})

test('the end waits for what was begun', async () => {
  const { schedule, state, end } = scene()
  const asked = schedule.take()
  await end()
  expect(state.taken).toBe(1)
  await asked
})
