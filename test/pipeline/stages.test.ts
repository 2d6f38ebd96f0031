import { count, job, type JobDefinition, tumbling, value } from 'millrace'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { cutIntoStages, type StagePlan } from '../../runtime/pipeline/stages.ts'
import { nodesOf } from '../../runtime/pipeline/graph.ts'
import { keyedOperators } from '../../runtime/task/chain.ts'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })

interface Cut {
  readonly parallelism?: number
  readonly tables?: readonly string[]
  /** Sources that may have several inputs. */
  readonly partitioned?: readonly string[]
}

function cut(
  { graph }: JobDefinition,
  { parallelism = 4, tables = [], partitioned = [] }: Cut = {},
): StagePlan {
  return cutIntoStages(graph, {
    parallelism,
    operators: keyedOperators(graph, new Map(tables.map((name) => [name, 'key']))),
    sinksOfEach: new Set(tables),
    singleInputs: new Set(
      nodesOf(graph, 'source')
        .map(({ name }) => name)
        .filter((name) => !partitioned.includes(name)),
    ),
    deadLetter: '(dead)',
  })
}

/** Stages as `name × tasks: what is in it`. */
const stagesOf = ({ stages }: StagePlan): string[] =>
  stages.map(({ name, tasks, graph }) => {
    const names = graph.nodes.map((node) => ('name' in node ? node.name : node.kind))
    return `${name} × ${tasks}: ${names.join(' ')}`
  })

const exchangesOf = ({ exchanges }: StagePlan): string[] =>
  exchanges.map(
    ({ name, routing, from, to, comesFirst }) =>
      `${from.join('+')} → ${to} by ${routing}: ${name}${comesFirst ? ', first' : ''}`,
  )

const SET_ASIDE = 'exchange:(dead)'

describe('stages', () => {
  it('are one, and the graph itself, with parallelism 1', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click)
        .keyBy(({ user }) => user)
        .to(sink('out'))
    })
    const { stages, exchanges } = cut(clicks, { parallelism: 1 })
    expect(stages).toMatchObject([{ tasks: 1, graph: clicks.graph }])
    expect(exchanges).toEqual([])
  })

  it('are cut behind a keyBy and before sinks with one writer', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click)
        .filter(({ page }) => page !== '')
        .keyBy(({ user }) => user)
        .map(({ page }) => page)
        .window(tumbling('1s'))
        .aggregate('pages', { clicks: count() })
        .map(({ value: { clicks: n } }) => n)
        .to(sink('out'))
    })
    const plan = cut(clicks)
    expect(stagesOf(plan)).toEqual([
      'clicks × 1: clicks filter#1 keyBy#2 exchange:pages',
      'pages × 4: exchange:pages map#3 pages map#5 exchange:out',
      `(sinks) × 1: exchange:out out ${SET_ASIDE} (dead)`,
    ])
    expect(exchangesOf(plan)).toEqual([
      'clicks → pages by key: exchange:pages',
      'pages → (sinks) by one: exchange:out',
      `clicks+pages → (sinks) by one: ${SET_ASIDE}`,
    ])
    // Every node stands behind what it reads, at the place of its number.
    for (const { graph } of plan.stages) {
      for (const [i, node] of graph.nodes.entries()) expect(node.id).toBe(i)
    }
  })

  it('share the inputs of a source with partitions', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click).to(sink('out'))
    })
    expect(cut(clicks, { partitioned: ['clicks'] }).stages.map(({ tasks }) => tasks)).toEqual([
      4, 1,
    ])
    expect(cut(clicks).stages.map(({ tasks }) => tasks)).toEqual([1, 1])
  })

  it('keep a table where its keys are', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click)
        .keyBy(({ user }) => user)
        .to(sink('newest'))
    })
    expect(stagesOf(cut(clicks, { tables: ['newest'] }))).toEqual([
      'clicks × 1: clicks keyBy#1 exchange:newest',
      'newest × 4: exchange:newest newest',
      `(sinks) × 1: ${SET_ASIDE} (dead)`,
    ])
  })

  it('need no exchange for keys by which nothing is kept', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      const byUser = source('clicks', Click).keyBy(({ user }) => user)
      byUser.to(sink('out'))
      byUser
        .keyBy(({ page }) => page)
        .deduplicate('once', { within: '1s' })
        .to(sink('pages'))
    })
    expect(exchangesOf(cut(clicks))).toEqual([
      'clicks → (sinks) by one: exchange:out',
      'clicks → once by key: exchange:once',
      'once → (sinks) by one: exchange:pages',
      `clicks+once → (sinks) by one: ${SET_ASIDE}`,
    ])
  })

  it('give windows over all keys one task', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click)
        .windowAll(tumbling('1s'))
        .aggregate('all', { clicks: count() })
        .to(sink('out'))
    })
    expect(cut(clicks).stages.map(({ name, tasks }) => [name, tasks])).toEqual([
      ['clicks', 1],
      ['all', 1],
      ['(sinks)', 1],
    ])
  })

  it('send a record once to those that read it by the same key', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      const byUser = source('clicks', Click).keyBy(({ user }) => user)
      byUser.window(tumbling('1s')).aggregate('short', { clicks: count() }).to(sink('a'))
      byUser.window(tumbling('1h')).aggregate('long', { clicks: count() }).to(sink('b'))
    })
    expect(exchangesOf(cut(clicks)).filter((text) => text.includes('by key'))).toEqual([
      'clicks → short by key: exchange:short',
    ])
  })

  it('send what is broadcast to all tasks, and first', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click)
        .keyBy(({ user }) => user)
        .withBroadcast('checked', source('rules', Click), {
          shared: { rule: value<string>() },
          onRecord: (click, key) => key.emit(click.page),
          onBroadcast: (rule, shared) => shared.rule.set(rule.page),
        })
        .to(sink('out'))
    })
    expect(exchangesOf(cut(clicks)).slice(0, 2)).toEqual([
      'clicks → checked by key: exchange:checked',
      'rules → checked by all: exchange:checked:2, first',
    ])
  })

  it('never wait for each other in a circle', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      const all = source('clicks', Click)
      const once = all.keyBy(({ user }) => user).deduplicate('once', { within: '1s' })
      all.union(once).to(sink('out'))
    })
    const { stages, exchanges } = cut(clicks)
    const names = stages.map(({ name }) => name)
    for (const { from, to } of exchanges) {
      for (const name of from) expect(names.indexOf(name)).toBeLessThan(names.indexOf(to))
    }
  })

  it('of two joined streams take both by key', () => {
    const clicks = job('clicks', ({ source, sink }) => {
      source('clicks', Click)
        .keyBy(({ user }) => user)
        .intervalJoin(
          'joined',
          source('views', Click).keyBy(({ user }) => user),
          { within: ['0s', '1s'] },
          (left, right) => ({ left, right }),
        )
        .to(sink('out'))
    })
    expect(exchangesOf(cut(clicks)).slice(0, 2)).toEqual([
      'clicks → joined by key: exchange:joined',
      'views → joined by key: exchange:joined:2',
    ])
  })
})
