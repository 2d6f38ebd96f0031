/** Triggers made of triggers. */
import {
  CONTINUE,
  DONE,
  FIRE,
  fires,
  partsOf,
  PURGE,
  type Trigger,
  type TriggerLogic,
  type Verdict,
} from './trigger.ts'

/** As the trigger, and each time it fires the contents are dropped: the next result is of what comes then. */
export const purging = <In>(inner: Trigger<In>): Trigger<In> =>
  wrap(inner, 'purging', (verdict) => (fires(verdict) ? verdict | PURGE : verdict))

/** As the trigger; one that is over (by `orFinally`) starts again. */
export const repeatedly = <In>(inner: Trigger<In>): Trigger<In> =>
  wrap(inner, 'repeatedly', (verdict, reset) => {
    if ((verdict & DONE) === 0) return verdict
    reset()
    return verdict & ~DONE
  })

function wrap<In>(
  inner: Trigger<In>,
  name: string,
  change: (verdict: Verdict, reset: () => void) => Verdict,
): Trigger<In> {
  const { canMerge, runsUserCode, firesEndless } = inner
  return {
    label: `${name}(${inner.label})`,
    canMerge,
    runsUserCode,
    firesEndless,
    make(takeSlot) {
      const logic = inner.make(takeSlot)
      return {
        onRecord: (at) => change(logic.onRecord(at), () => logic.reset(at)),
        onTimer: (at, time, clock) => change(logic.onTimer(at, time, clock), () => logic.reset(at)),
        onMerge: (at, merged) => logic.onMerge(at, merged),
        reset: (at) => logic.reset(at),
        clear: (window) => logic.clear?.(window),
      }
    },
  }
}

/**
 * Fires as soon as one of the triggers does; then all of them start again.
 * @throws RangeError without triggers.
 */
export function firstOf<In>(...triggers: readonly Trigger<In>[]): Trigger<In> {
  const parts = several(triggers, 'firstOf')
  const { canMerge, runsUserCode, labels } = partsOf(parts)
  const endless = parts.map(({ firesEndless }) => firesEndless)
  return {
    label: `firstOf(${labels})`,
    canMerge,
    runsUserCode,
    firesEndless: endless.includes('yes') ? 'yes' : endless.includes('atEnd') ? 'atEnd' : 'never',
    make(takeSlot) {
      const logics = parts.map((part) => part.make(takeSlot))
      return together(logics, (at, ask) => {
        let verdict = CONTINUE
        for (const logic of logics) verdict |= ask(logic)
        if (fires(verdict)) for (const logic of logics) logic.reset(at)
        return verdict & ~DONE
      })
    },
  }
}

/**
 * Fires when each of the triggers has fired since the last time; then all of them start again.
 * @throws RangeError without triggers.
 */
export function allOf<In>(...triggers: readonly Trigger<In>[]): Trigger<In> {
  const parts = several(triggers, 'allOf')
  const { canMerge, runsUserCode, labels } = partsOf(parts)
  const endless = parts.map(({ firesEndless }) => firesEndless)
  return {
    label: `allOf(${labels})`,
    canMerge,
    runsUserCode,
    firesEndless: endless.includes('never') ? 'never' : endless.includes('atEnd') ? 'atEnd' : 'yes',
    make(takeSlot) {
      const logics = parts.map((part) => part.make(takeSlot))
      const slot = takeSlot()
      // Which have fired, by their place: a record of flags, for there may be more than 32.
      const firedOf = (flags: unknown): readonly boolean[] =>
        (flags as readonly boolean[] | undefined | null) ?? logics.map(() => false)
      const logic = together(logics, (at, ask) => {
        const fired = [...firedOf(at.get(slot))]
        let purge = CONTINUE
        for (const [i, part] of logics.entries()) {
          const verdict = ask(part)
          if (fires(verdict)) fired[i] = true
          purge |= verdict & PURGE
        }
        if (!fired.every(Boolean)) {
          if (fired.some(Boolean)) at.set(slot, fired)
          return CONTINUE
        }
        at.set(slot, undefined)
        for (const part of logics) part.reset(at)
        return FIRE | purge
      })
      return {
        ...logic,
        onMerge(at, merged) {
          logic.onMerge(at, merged)
          // What fired in one of the sessions has fired in the one they became.
          const all = merged.map((slots) => firedOf(slots[slot]))
          const fired = logics.map((_, i) => all.some((flags) => flags[i] === true))
          at.set(slot, fired.some(Boolean) ? fired : undefined)
        },
        reset(at) {
          logic.reset(at)
          at.set(slot, undefined)
        },
      }
    },
  }
}

/**
 * As the trigger, until the other one fires: that is the last result of the window. Records that come
 * to it later are late.
 */
export function orFinally<In>(trigger: Trigger<In>, until: Trigger<In>): Trigger<In> {
  const parts = several([trigger, until], 'orFinally')
  const { canMerge, runsUserCode, labels } = partsOf(parts)
  const endless = parts.map(({ firesEndless }) => firesEndless)
  return {
    label: `orFinally(${labels})`,
    canMerge,
    runsUserCode,
    firesEndless: endless.includes('yes') ? 'yes' : endless.includes('atEnd') ? 'atEnd' : 'never',
    make(takeSlot) {
      const logics = parts.map((part) => part.make(takeSlot))
      const [first, last] = logics as [TriggerLogic, TriggerLogic]
      return together(logics, (_at, ask) => {
        const verdict = ask(first)
        const final = ask(last)
        return fires(final) ? verdict | final | DONE : verdict | (final & PURGE)
      })
    },
  }
}

type Ask = (logic: TriggerLogic) => Verdict

/** A trigger that asks several and decides by what they say. */
function together(
  logics: readonly TriggerLogic[],
  decide: (at: Parameters<TriggerLogic['onRecord']>[0], ask: Ask) => Verdict,
): TriggerLogic {
  return {
    onRecord: (at) => decide(at, (logic) => logic.onRecord(at)),
    onTimer: (at, time, clock) => decide(at, (logic) => logic.onTimer(at, time, clock)),
    onMerge(at, merged) {
      for (const logic of logics) logic.onMerge(at, merged)
    },
    reset(at) {
      for (const logic of logics) logic.reset(at)
    },
    clear(window) {
      for (const logic of logics) logic.clear?.(window)
    },
  }
}

function several<In>(triggers: readonly Trigger<In>[], name: string): readonly Trigger[] {
  if (triggers.length === 0) throw new RangeError(`trigger ${name}: give it at least one trigger`)
  return triggers as readonly Trigger[]
}
