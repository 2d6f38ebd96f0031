/**
 * The types of a pipeline, checked by the compiler (`npm run types`): every line under
 * `@ts-expect-error` must not compile, and would be an error itself if it did. Run, the file shows that
 * schemas of three libraries make working jobs.
 */
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  actor,
  collect,
  count,
  countIf,
  deltaEvictor,
  earlyAndLate,
  firstOf,
  globalWindow,
  job,
  list,
  map,
  maxBy,
  mean,
  onCount,
  onDelta,
  session,
  side,
  sliding,
  sum,
  trigger,
  tumbling,
  value,
  type JobDefinition,
  type KeyedStream,
  type Pane,
  type Stream,
  type Window,
} from 'millrace'
import { testJob } from 'millrace/testing'
import * as z from 'zod'

const Rating = z.object({
  userId: z.number(),
  film: z.string(),
  stars: z.number(),
  timestamp: z.number(),
})
type Rating = z.infer<typeof Rating>

const schemas = {
  zod: Rating,
  valibot: v.object({
    userId: v.number(),
    film: v.string(),
    stars: v.number(),
    timestamp: v.number(),
  }),
  arktype: type({ userId: 'number', film: 'string', stars: 'number', timestamp: 'number' }),
}

describe('the types of a pipeline', () => {
  it('follow from the schema, step by step', () => {
    job('inferred', ({ source, sink }) => {
      source('ratings', Rating, { time: (rating) => rating.timestamp * 1_000 })
        .filter((rating) => rating.stars > 2)
        .flatMap((rating) => {
          expectTypeOf(rating).toEqualTypeOf<Rating>()
          return [{ ...rating, good: rating.stars > 4 }]
        })
        .keyBy((rating) => rating.userId)
        .window(tumbling('1h'))
        .aggregate('stars', {
          n: count(),
          good: countIf((rating) => rating.good),
          mean: mean((rating) => rating.stars),
          best: maxBy((rating) => rating.stars),
          all: collect(),
        })
        .map(({ key, value: result, window }) => {
          expectTypeOf(key).toEqualTypeOf<number>()
          expectTypeOf(result.n).toEqualTypeOf<number>()
          expectTypeOf(result.mean).toEqualTypeOf<number>()
          expectTypeOf(window).toEqualTypeOf<Window>()
          return `${key} ${result.best?.film}`
        })
        .map((text) => {
          expectTypeOf(text).toEqualTypeOf<string>()
          return text
        })
        .to(sink('out'))
    })
  })

  it('find wrong field names of a value', () => {
    job('wrong-fields', ({ source, sink }) => {
      const ratings = source('ratings', Rating)
      // @ts-expect-error a rating has no `movie`
      ratings.map((rating) => rating.movie).to(sink('a'))
      // @ts-expect-error a rating has no `rating`
      ratings.filter((rating) => rating.rating > 3).to(sink('b'))
      // @ts-expect-error a rating has no `tags` to spread
      ratings.flatMap((rating) => rating.tags).to(sink('c'))
      // @ts-expect-error a rating has no `user`
      ratings.keyBy((rating) => rating.user).to(sink('d'))
      // @ts-expect-error a rating has no `time`
      source('others', Rating, { time: (rating) => rating.time }).to(sink('e'))
      const keyed = ratings.keyBy((rating) => rating.userId)
      keyed
        .map(({ film }) => ({ film }))
        // @ts-expect-error what map gives has no `stars` any more
        .map((row) => row.stars)
        .to(sink('f'))
      const windows = keyed.window(tumbling(1_000))
      windows
        // @ts-expect-error a rating has no `when`
        .reduce('reduced', (a, b) => (a.when > b.when ? a : b))
        .to(sink('g'))
      windows
        .reduce('latest', (a, b) => (a.timestamp > b.timestamp ? a : b))
        // @ts-expect-error the result of a reduce is { key, value, window }
        .map(({ timestamp }) => timestamp)
        .to(sink('h'))
    })
  })

  it('find wrong field names in aggregates and their results', () => {
    const define = (): JobDefinition =>
      job('wrong-aggregates', ({ source, sink }) => {
        const windows = source('ratings', Rating)
          .keyBy((rating) => rating.userId)
          .window(tumbling(1_000))
        windows
          // @ts-expect-error a rating has no `score`
          .aggregate('summed', { total: sum((rating) => rating.score) })
          .to(sink('a'))
        windows
          .aggregate('counted', { n: count() })
          // @ts-expect-error the aggregates have no `count`
          .map((result) => result.value.count)
          .to(sink('b'))
        windows
          // @ts-expect-error a film's name cannot be summed
          .aggregate('films', { total: sum((rating) => rating.film) })
          .to(sink('c'))
        windows
          // @ts-expect-error the values of a window are ratings
          .apply('applied', (ratings) => ratings.map((rating) => rating.score))
          .to(sink('d'))
        windows
          .reduce('late', (a) => a)
          // @ts-expect-error late records are ratings, not results
          .late.map((late) => late.window)
          .to(sink('e'))
      })
    expect(define).not.toThrow()
  })

  it('know what windows give: panes, late records, and no key where there is none', () => {
    job('window-results', ({ source, sink }) => {
      const ratings = source('ratings', Rating)
      const results = ratings
        .keyBy((rating) => rating.film)
        .window(session((rating) => rating.stars * 1_000))
        .apply('applied', (values, { key, window, pane }) => {
          expectTypeOf(values).toEqualTypeOf<readonly Rating[]>()
          expectTypeOf(key).toEqualTypeOf<string>()
          expectTypeOf(window).toEqualTypeOf<Window>()
          expectTypeOf(pane).toEqualTypeOf<Pane>()
          return [values.length]
        })
      expectTypeOf(results).toExtend<KeyedStream<number, string>>()
      expectTypeOf(results.late).toEqualTypeOf<KeyedStream<Rating, string>>()
      results.to(sink('a'))
      const all = ratings.windowAll(sliding('1h', { every: '1m' })).reduce('reduced', (a) => a)
      expectTypeOf(all.late).toEqualTypeOf<Stream<Rating>>()
      all
        .map(({ value: rating, pane, revision, retract }) => {
          expectTypeOf(rating).toEqualTypeOf<Rating>()
          expectTypeOf(pane).toEqualTypeOf<Pane>()
          expectTypeOf(revision).toEqualTypeOf<number>()
          expectTypeOf(retract).toEqualTypeOf<true | undefined>()
          return rating.film
        })
        .to(sink('b'))
      // @ts-expect-error windows over all keys have results without a key
      all.map(({ key }) => key as unknown).to(sink('c'))
    })
  })

  it('find functions of windows that are about other values', () => {
    const define = (): JobDefinition =>
      job('wrong-windows', ({ source, sink }) => {
        const keyed = source('ratings', Rating).keyBy((rating) => rating.userId)
        const endless = globalWindow()
        const films = (film: { readonly title: string }): number => film.title.length
        // @ts-expect-error a rating has no `gap`
        keyed.window(session((rating) => rating.gap)).reduce('a', (a) => a)
        // @ts-expect-error the trigger is about films
        keyed.window(endless.trigger(onDelta(films, 1))).reduce('b', (a) => a)
        // @ts-expect-error the evictor is about films
        keyed.window(tumbling('1s').evictor(deltaEvictor(films, 1))).reduce('c', (a) => a)
        const stars = onDelta((rating: Rating) => rating.stars, 1)
        const windows = endless.trigger(earlyAndLate({ early: firstOf(stars, onCount(3)) }))
        keyed
          .window(windows.retracting())
          .reduce('d', (a) => a)
          .to(sink('d'))
        // @ts-expect-error a trigger says one of four words
        trigger({ onRecord: () => 'stop' })
        trigger<Rating, number>({
          state: () => 0,
          onRecord(at) {
            expectTypeOf(at.value).toEqualTypeOf<Rating>()
            // @ts-expect-error the state is a number
            at.state = 'many'
            return 'continue'
          },
        })
      })
    expect(define).not.toThrow()
  })

  it('find values that cannot be keys, windows without keys, and streams that do not fit', () => {
    const define = (): JobDefinition =>
      job('wrong-shapes', ({ source, sink }) => {
        const ratings = source('ratings', Rating)
        // @ts-expect-error an object is no key
        ratings.keyBy((rating) => ({ id: rating.userId })).to(sink('a'))
        // @ts-expect-error a key may not be missing
        ratings.keyBy((rating) => (rating.stars > 1 ? rating.film : undefined)).to(sink('b'))
        // @ts-expect-error a union takes streams of the same values
        ratings.union(ratings.map(({ stars }) => stars)).to(sink('c'))
        // @ts-expect-error only a stream with keys has windows
        expect(ratings.window).toBeUndefined()
        // @ts-expect-error a sink is named by sink()
        expect(() => ratings.to('out')).not.toThrow()
      })
    expect(define).not.toThrow(TypeError)
  })

  it('find wrong names in key actors: state, results, sides and input', () => {
    type Sides = { readonly left: { readonly since: number } }
    const presence = actor('presence', {
      state: { since: value<number>(), films: list<string>(), stars: map<string, number>() },
      sides: { left: side<Sides['left']>() },
      onRecord(rating: Rating, key) {
        key.state.films.push(rating.film)
        expectTypeOf(key.state.since.get()).toEqualTypeOf<number | undefined>()
        expectTypeOf(key.state.films.toArray()).toEqualTypeOf<string[]>()
        // @ts-expect-error there is no cell `until`
        if (rating.stars < 0) key.state.until.clear()
        // @ts-expect-error `since` holds numbers
        if (rating.stars < 0) key.state.since.set('now')
        // @ts-expect-error `films` holds texts
        if (rating.stars < 0) key.state.films.push(1)
        // @ts-expect-error there is no side output `right`
        if (rating.stars < 0) key.emitTo('right', { since: 1 })
        // @ts-expect-error the side output takes { since }
        if (rating.stars < 0) key.emitTo('left', { until: 1 })
        key.emitTo('left', { since: key.time })
      },
    })
    job('wrong-actor', ({ source, sink }) => {
      const processed = source('ratings', Rating)
        .keyBy((rating) => rating.userId)
        .process(presence)
      processed
        .side('left')
        .map(({ since }) => since)
        .to(sink('a'))
      // @ts-expect-error the actor has no side output `right`
      processed.side('right').to(sink('b'))
      processed
        .side('left')
        // @ts-expect-error what goes to `left` has no `until`
        .map((left) => left.until)
        .to(sink('c'))
    })
    job('wrong-input', ({ source, sink }) => {
      source('films', z.object({ film: z.string() }))
        .keyBy(({ film }) => film)
        // @ts-expect-error the actor takes ratings, and films are none
        .process(presence)
        .to(sink('d'))
    })
  })

  it.each(Object.keys(schemas) as (keyof typeof schemas)[])(
    'are inferred from schemas of %s, which check what comes',
    async (library) => {
      const { zod, valibot, arktype } = schemas
      const jobs: Record<keyof typeof schemas, () => JobDefinition> = {
        zod: () =>
          job('films', ({ source, sink }) => {
            const ratings = source('ratings', zod)
            // @ts-expect-error a rating has no `movie`
            ratings.map(({ movie }) => movie as unknown).to(sink('never'))
            ratings.map(({ film }) => film.toUpperCase()).to(sink('films'))
          }),
        valibot: () =>
          job('films', ({ source, sink }) => {
            const ratings = source('ratings', valibot)
            // @ts-expect-error a rating has no `movie`
            ratings.map(({ movie }) => movie as unknown).to(sink('never'))
            ratings.map(({ film }) => film.toUpperCase()).to(sink('films'))
          }),
        arktype: () =>
          job('films', ({ source, sink }) => {
            const ratings = source('ratings', arktype)
            // @ts-expect-error a rating has no `movie`
            ratings.map(({ movie }) => movie as unknown).to(sink('never'))
            ratings.map(({ film }) => film.toUpperCase()).to(sink('films'))
          }),
      }
      const t = await testJob(jobs[library]())
      t.push('ratings', { userId: 1, film: 'heat', stars: 5, timestamp: 1 })
      t.push('ratings', { userId: 1, film: 7, stars: 5, timestamp: 1 })
      expect(await t.output('films')).toEqual(['HEAT'])
      expect((await t.deadLetters()).map(({ reason }) => reason)).toEqual([
        expect.stringMatching(/^does not fit the schema: .*film/),
      ])
      await t.close()
    },
  )

  it('are those of what a schema makes, not of what it takes', async () => {
    const Times = z.object({ at: z.string().transform(Number), timestamp: z.number() })
    const t = await testJob(
      job('made', ({ source, sink }) => {
        source('times', Times)
          .map(({ at }) => at + 1)
          .to(sink('out'))
      }),
    )
    t.push('times', { at: '41', timestamp: 0 })
    expect(await t.output<number>('out')).toEqual([42])
    await t.close()
  })
})
