/** The tasks of a job: which of them run what, and which of them speak with which. */
import type { Graph } from '../pipeline/graph.ts'
import {
  broadcastSources,
  cutIntoStages,
  type CutOptions,
  type Stage,
  type StagePlan,
} from '../pipeline/stages.ts'
import type { ReadingEnd, SendingEnd } from './exchange-link.ts'
import type { PlaceRow } from './meta.ts'
import type { TaskPlace } from './open-task.ts'

export interface LaidTask {
  /** Its name: tasks are numbered through all stages. */
  readonly task: string
  readonly stage: Stage
  /** Its number within its stage. */
  readonly partition: number
}

export interface Layout {
  readonly parallelism: number
  readonly plan: StagePlan
  readonly tasks: readonly LaidTask[]
  readonly firstSources: ReadonlySet<string>
}

export function layOut(graph: Graph, options: CutOptions): Layout {
  const plan = cutIntoStages(graph, options)
  const tasks = plan.stages
    .flatMap((stage) =>
      Array.from({ length: stage.tasks }, (_, partition) => ({ stage, partition })),
    )
    .map((laid, number): LaidTask => ({ task: String(number), ...laid }))
  return {
    parallelism: options.parallelism,
    plan,
    tasks,
    firstSources: broadcastSources(graph, options.operators),
  }
}

/** A way from one task to another: an exchange, who sends and who reads. */
export interface LinkName {
  readonly exchange: string
  readonly from: string
  readonly to: string
}

/** The ends of links that a task holds. */
export interface Links {
  sending(link: LinkName): SendingEnd
  reading(link: LinkName): ReadingEnd
}

/** All links of a layout. */
export function linksOf({ plan, tasks }: Layout): LinkName[] {
  return plan.exchanges.flatMap(({ name, from, to }) => {
    const readers = tasks.filter(({ stage }) => stage.name === to)
    return tasks
      .filter(({ stage }) => from.includes(stage.name))
      .flatMap(({ task }) =>
        readers.map((reader) => ({ exchange: name, from: task, to: reader.task })),
      )
  })
}

/** What a task's store says of its place. */
export const placeRowOf = ({ parallelism }: Layout, { stage, partition }: LaidTask): PlaceRow => ({
  parallelism,
  stage: stage.name,
  partition,
  tasks: stage.tasks,
})

/** A task's place among the others; undefined for the only one. */
export function placeOf(layout: Layout, laid: LaidTask, links: Links): TaskPlace | undefined {
  if (layout.tasks.length === 1) return undefined
  const { task, stage } = laid
  const all = linksOf(layout)
  const { exchanges } = layout.plan
  return {
    task,
    row: placeRowOf(layout, laid),
    inbound: all
      .filter(({ to }) => to === task)
      .map((link) => ({
        name: link.exchange,
        from: link.from,
        link: links.reading(link),
        comesFirst: exchanges.some(({ name, comesFirst }) => comesFirst && name === link.exchange),
      })),
    outbound: exchanges
      .filter(({ from }) => from.includes(stage.name))
      .map(({ name, routing }) => ({
        name,
        routing,
        readers: all
          .filter(({ exchange, from }) => exchange === name && from === task)
          .map((link) => ({ task: link.to, link: links.sending(link) })),
      })),
    firstSources: layout.firstSources,
  }
}
