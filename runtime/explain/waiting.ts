/** Why the watermark has not come to a time: who holds it back, since when, and what would move it. */
import type { Timestamp } from '../../operators/time.ts'
import type { Finding } from './explanation.ts'
import type { Facts, InputFacts } from './facts.ts'
import { type Holder, holderOf, inputsBehind, watermarkWithout } from './holder.ts'
import {
  inputText,
  isSilent,
  neededText,
  refusedAdvice,
  refusedTexts,
  silenceText,
  smallerBound,
  watermarkText,
} from './input-words.ts'
import { dateText, spanText } from './words.ts'

/** The timer for the end of all inputs, and anything behind it. */
const END_OF_TIME = Number.MAX_SAFE_INTEGER

/** What is said of the one thing that is in the way. */
type Part = Pick<Finding, 'cause' | 'because' | 'toDo'>

/** @param firesAt a watermark that is not reached. */
export function waiting(facts: Facts, firesAt: Timestamp): Finding {
  const { reached, windows, isRunning, committedAt } = facts
  const by =
    windows.fires === 'by trigger' ? `its trigger ${windows.trigger} is asked again` : 'it fires'
  const fires =
    firesAt >= END_OF_TIME
      ? `It has no end: ${by} when all inputs have ended.`
      : `When the watermark reaches ${dateText(firesAt)}, ${by}; it stands at ${standsAt(reached.watermark, firesAt)}.`
  const holder = holderOf(reached)
  const part = partOf(facts, holder, firesAt)
  const stopped = `The job is not running: nothing moves until it is started. Its last commit was at ${dateText(committedAt)}.`
  return {
    verdict: 'waits',
    firesAt,
    ...(holder.input !== undefined && { holder: holder.input.id }),
    cause: part.cause,
    because: [fires, ...part.because, ...(isRunning ? [] : [stopped])],
    toDo: part.toDo,
  }
}

const standsAt = (watermark: Timestamp, firesAt: Timestamp): string =>
  watermark === -Infinity
    ? 'the beginning of time, for no record has moved it'
    : `${dateText(watermark)}, ${spanText(firesAt - watermark)} before`

function partOf(facts: Facts, holder: Holder, firesAt: Timestamp): Part {
  const { input, unfired } = holder
  if (unfired !== undefined) {
    return {
      cause: 'upstream',
      because: [
        `Operator '${unfired.name}' before it has still to fire what its own watermark (${dateText(unfired.from.watermark)}) made due; time goes on behind it then.`,
      ],
      toDo: [],
    }
  }
  if (input === undefined) return allIdle(facts, firesAt)
  if (firesAt >= END_OF_TIME) return untilEnd(facts)
  const heldBack = heldBackTexts(holder)
  const held = `The watermark is held by ${inputText(input)}: ${watermarkText(input)}.`
  const part = partOfInput(facts, input, firesAt, holder.holdBackMs)
  return {
    cause: part.cause,
    because: [held, ...heldBack, ...part.because],
    toDo: part.toDo,
  }
}

function heldBackTexts({ heldBackBy }: Holder): string[] {
  return heldBackBy.map(
    ({ name, label, holdBackMs }) =>
      `Operator '${name}' (${label}) before it holds time back by ${spanText(holdBackMs)}, for its results may be that much older than what it has read.`,
  )
}

function partOfInput(
  facts: Facts,
  input: InputFacts,
  firesAt: Timestamp,
  holdBackMs: number,
): Part {
  const { settings, status, watermark, maxTime } = input
  const needed = firesAt + holdBackMs
  if (status.waitsFor !== undefined) return paused(facts, input, status.waitsFor)
  if (!settings.progressive) return unordered(input)
  const silence = silent(facts, input, firesAt)
  const aside = setAside(input)
  if (aside !== undefined) return aside
  if (input.records === 0) return { cause: 'empty input', ...silence }
  const more = settings.ownWatermarks ? [] : [neededText(input, needed)]
  const because = silence.because
  const toDo = [...more, ...silence.toDo]
  if (watermark >= firesAt) return { cause: 'hold-back', because, toDo }
  if (settings.ownWatermarks) return { cause: 'own watermarks', because, toDo }
  if (maxTime >= needed) {
    const reason = `Its largest time is behind the window's end already: it is the bound that makes the window wait.`
    return {
      cause: 'bound',
      because: [reason, ...because],
      toDo: [...toDo, ...smallerBound(input)],
    }
  }
  return { cause: isSilent(input) ? 'silent input' : 'slow input', because, toDo }
}

/** Records were set aside, and none was taken in since. */
function setAside(input: InputFacts): Part | undefined {
  const newest = Object.values(input.status.refused ?? {}).some(
    ({ behind }) => behind === input.records,
  )
  if (!newest) return undefined
  return {
    cause: 'records set aside',
    because: refusedTexts(input).map((text) => `${text}.`),
    toDo: refusedAdvice(input),
  }
}

// ── an input that says nothing ───────────────────────────────────────────────────────────────────

/** What an input's silence does, and what would end it. */
function silent(facts: Facts, input: InputFacts, firesAt: Timestamp): Omit<Part, 'cause'> {
  const text = silenceText(input)
  if (text === undefined) return { because: [], toDo: [] }
  const { idleAfterMs, whenIdle, outOfOrderMs } = input.settings
  const { id, source, silentMs = 0 } = input
  if (!Number.isFinite(idleAfterMs)) {
    return {
      because: [
        `${text}. It is never taken for idle: while it is silent the window does not fire.`,
      ],
      toDo: [`Set sources.${source}.eventTime.idleAfter, or publish to ${source}.`],
    }
  }
  const after = `After ${spanText(idleAfterMs)} of silence (idleAfter)`
  const left = spanText(Math.max(0, idleAfterMs - silentMs))
  const when = facts.isRunning ? ` (in ${left})` : ''
  if (whenIdle === 'advance') {
    return {
      because: [
        `${text}. ${after}${when} its time goes on with the clock, less ${spanText(outOfOrderMs)}.`,
      ],
      toDo: [],
    }
  }
  const then = watermarkWithout(facts.reached, input)
  const comes =
    then >= firesAt
      ? `the watermark comes to ${dateText(then)} and the window fires`
      : then > facts.reached.watermark
        ? `the watermark comes to ${dateText(then)}, and the window still waits`
        : `time stays where it is, for nobody else moves it: the window fires when ${id} or another input goes on`
  const alone = then < firesAt ? advanceAdvice(source) : []
  return { because: [`${text}. ${after} it is left out${when}; then ${comes}.`], toDo: alone }
}

const advanceAdvice = (source: string): string[] => [
  `To let time go on with the clock while ${source} is silent, set sources.${source}.eventTime.whenIdle: advance.`,
]

function allIdle({ reached }: Facts, firesAt: Timestamp): Part {
  const inputs = inputsBehind(reached)
  const waitingFor = inputs.filter(({ hasEnded }) => !hasEnded)
  return {
    cause: 'all idle',
    because: [
      'All its inputs are idle: nobody holds time back, and nobody moves it.',
      ...waitingFor.map((input) => `${silenceText(input) ?? `${input.id} is idle`}.`),
      'If no record comes, the window never fires.',
    ],
    toDo: waitingFor.flatMap((input) => [
      ...(input.settings.ownWatermarks ? [] : [neededText(input, firesAt)]),
      ...advanceAdvice(input.source),
    ]),
  }
}

// ── an input that is not read, or does not tell ──────────────────────────────────────────────────

function paused(
  { inputs }: Facts,
  input: InputFacts,
  { input: awaited, why }: NonNullable<InputFacts['status']['waitsFor']>,
): Part {
  if (why === 'comes first') {
    return {
      cause: 'broadcast first',
      because: [
        `${input.id} is not read yet: ${awaited} is broadcast and is read whole before it.`,
      ],
      toDo: [],
    }
  }
  const { alignment } = input.settings
  const other = inputs.find(({ id }) => id === awaited)
  const silence = other === undefined ? undefined : silenceText(other)
  return {
    cause: 'alignment',
    because: [
      `${input.id} is not read: it is more than ${spanText(alignment?.maxDriftMs ?? 0)} ahead of ${awaited}, the slowest of the group '${alignment?.group}', and waits for it.`,
      ...(other === undefined
        ? []
        : [`${watermarkText(other, `The largest time of ${other.id}`)}.`]),
      ...(silence === undefined ? [] : [`${silence}.`]),
    ],
    toDo: [
      `Bring ${awaited} forward, or raise sources.${input.source}.eventTime.alignment.maxDrift.`,
    ],
  }
}

function unordered({ source, id }: InputFacts): Part {
  return {
    cause: 'unordered',
    because: [`In batch the unordered ${id} is read to its end first: the window fires then.`],
    toDo: [
      `If its records come in about the order of time, set sources.${source}.eventTime.order: ordered.`,
    ],
  }
}

function untilEnd({ reached }: Facts): Part {
  const open = inputsBehind(reached).filter(({ hasEnded }) => !hasEnded)
  return {
    cause: 'end of inputs',
    because: [`${open.map(({ id }) => id).join(', ')} has not ended; live inputs never do.`],
    toDo: [
      'Give the windows a trigger that fires earlier, as onCount(100) or everyEventTime(60_000).',
    ],
  }
}
