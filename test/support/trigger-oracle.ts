/**
 * What triggers say, told slowly and obviously: an object a trigger of a window, which remembers what it
 * likes. Named as the public API names them, `["purging", ["onCount", 4]]`.
 */
import type { Call } from '../cases/case-file.ts'

export type OracleClock = 'event' | 'processing'

/** Where a window stands when its trigger is asked. */
export interface OracleMoment {
  readonly watermark: number
  readonly now: number
  /** The last time of the window, and when it is dropped. */
  readonly last: number
  readonly drop: number
  readonly clock: OracleClock
  /** Of a record: its time and its number. */
  readonly time: number
  readonly n: number
  wake(time: number, clock: OracleClock): void
}

export interface OracleVerdict {
  readonly fires: boolean
  readonly purges: boolean
  readonly ends: boolean
}

export interface OracleTrigger {
  onRecord(at: OracleMoment): OracleVerdict
  onTime(at: OracleMoment, time: number, clock: OracleClock): OracleVerdict
  /** It becomes the trigger of a session that others became one in; they are in order of time. */
  become(others: readonly OracleTrigger[], at: OracleMoment): void
  reset(): void
}

const NO: OracleVerdict = { fires: false, purges: false, ends: false }
const YES: OracleVerdict = { ...NO, fires: true }
const whether = (fires: boolean): OracleVerdict => (fires ? YES : NO)

export function oracleTrigger([name, ...args]: Call): OracleTrigger {
  const inner = (i: number): OracleTrigger => oracleTrigger(args[i] as Call)
  switch (name) {
    case 'onEventTime':
    case 'atEndOfStream':
      return new AtEnd('event')
    case 'onProcessingTime':
      return new AtEnd('processing')
    case 'never':
      return new Never()
    case 'onCount':
      return new Counting(args[0] as number)
    case 'onDelta':
      return new Moving(args[1] as number)
    case 'everyEventTime':
      return new Every(args[0] as number, 'event')
    case 'everyProcessingTime':
      return new Every(args[0] as number, 'processing')
    case 'purging':
      return new Changed(inner(0), (said) => (said.fires ? { ...said, purges: true } : said))
    case 'repeatedly':
      return new Changed(inner(0), (said, trigger) => {
        if (said.ends) trigger.reset()
        return { ...said, ends: false }
      })
    case 'firstOf':
      return new FirstOf(args.map((part) => oracleTrigger(part as Call)))
    case 'allOf':
      return new AllOf(args.map((part) => oracleTrigger(part as Call)))
    case 'orFinally':
      return new OrFinally(inner(0), inner(1))
    case 'earlyAndLate': {
      const { early, late } = args[0] as { early?: Call; late?: Call }
      return new EarlyAndLate(early && oracleTrigger(early), late && oracleTrigger(late))
    }
    default:
      throw new Error(`the oracle knows no trigger '${name}'`)
  }
}

class Never implements OracleTrigger {
  onRecord(_at: OracleMoment): OracleVerdict {
    return NO
  }
  onTime(_at: OracleMoment, _time: number, _clock: OracleClock): OracleVerdict {
    return NO
  }
  become(_others: readonly OracleTrigger[], _at: OracleMoment): void {}
  reset(): void {}
}

/** At the last time of the window, and at each record behind it. */
class AtEnd extends Never {
  readonly #clock: OracleClock
  constructor(clock: OracleClock) {
    super()
    this.#clock = clock
  }
  override onRecord(at: OracleMoment): OracleVerdict {
    if (this.#clock === 'event' && at.last <= at.watermark) return YES
    at.wake(at.last, this.#clock)
    return NO
  }
  override onTime(at: OracleMoment, time: number, clock: OracleClock): OracleVerdict {
    return whether(clock === this.#clock && time === at.last)
  }
  override become(_others: readonly OracleTrigger[], at: OracleMoment): void {
    const passed = this.#clock === 'event' ? at.watermark : at.now
    if (at.last > passed) at.wake(at.last, this.#clock)
  }
}

class Counting extends Never {
  readonly #every: number
  #count = 0
  constructor(every: number) {
    super()
    this.#every = every
  }
  override onRecord(): OracleVerdict {
    this.#count += 1
    if (this.#count < this.#every) return NO
    this.#count = 0
    return YES
  }
  override become(others: readonly OracleTrigger[]): void {
    this.#count = (others as Counting[]).reduce((sum, other) => sum + other.#count, 0)
  }
  override reset(): void {
    this.#count = 0
  }
}

class Moving extends Never {
  readonly #threshold: number
  #last: number | undefined
  constructor(threshold: number) {
    super()
    this.#threshold = threshold
  }
  override onRecord({ n }: OracleMoment): OracleVerdict {
    if (this.#last === undefined) {
      this.#last = n
      return NO
    }
    // The difference has a sign: a number that falls is no reason.
    if (n - this.#last <= this.#threshold) return NO
    this.#last = n
    return YES
  }
  override become(others: readonly OracleTrigger[]): void {
    // Of sessions in order of time, the number of the latest that has one.
    for (const other of others as Moving[]) this.#last = other.#last ?? this.#last
  }
  override reset(): void {
    this.#last = undefined
  }
}

/** At multiples of the interval from the first record on; in its own kind of window at the end too. */
class Every extends Never {
  readonly #interval: number
  readonly #clock: OracleClock
  #next: number | undefined
  constructor(interval: number, clock: OracleClock) {
    super()
    this.#interval = interval
    this.#clock = clock
  }
  #waitFor(at: OracleMoment, time: number): void {
    this.#next = time
    // The end of the window is another matter, and nothing comes behind it.
    if (this.#clock !== at.clock || time < at.last) at.wake(time, this.#clock)
  }
  /** Multiples that time has passed already, or jumps over, are over. */
  #reached(at: OracleMoment, time: number): number {
    return Math.max(time, at.watermark)
  }
  #multipleBehind(time: number): number {
    return (Math.floor(time / this.#interval) + 1) * this.#interval
  }
  override onRecord(at: OracleMoment): OracleVerdict {
    if (this.#clock === 'event') {
      if (at.last <= at.watermark) return YES
      at.wake(at.last, 'event')
    }
    if (this.#next === undefined) {
      this.#waitFor(
        at,
        this.#multipleBehind(this.#clock === 'event' ? this.#reached(at, at.time) : at.now),
      )
    }
    return NO
  }
  override onTime(at: OracleMoment, time: number, clock: OracleClock): OracleVerdict {
    if (clock !== this.#clock) return NO
    if (clock === at.clock && time === at.last) return YES
    if (this.#next !== time) return NO
    this.#waitFor(at, this.#multipleBehind(clock === 'event' ? this.#reached(at, time) : time))
    return YES
  }
  override become(others: readonly OracleTrigger[], at: OracleMoment): void {
    if (this.#clock === 'event' && at.last > at.watermark) at.wake(at.last, 'event')
    const times = (others as Every[]).flatMap((other) => other.#next ?? [])
    this.#next = undefined
    if (times.length > 0) this.#waitFor(at, Math.min(...times))
  }
  override reset(): void {
    this.#next = undefined
  }
}

type Change = (said: OracleVerdict, trigger: OracleTrigger) => OracleVerdict

class Changed implements OracleTrigger {
  readonly #inner: OracleTrigger
  readonly #change: Change
  constructor(inner: OracleTrigger, change: Change) {
    this.#inner = inner
    this.#change = change
  }
  onRecord(at: OracleMoment): OracleVerdict {
    return this.#change(this.#inner.onRecord(at), this.#inner)
  }
  onTime(at: OracleMoment, time: number, clock: OracleClock): OracleVerdict {
    return this.#change(this.#inner.onTime(at, time, clock), this.#inner)
  }
  become(others: readonly OracleTrigger[], at: OracleMoment): void {
    this.#inner.become(
      (others as Changed[]).map((other) => other.#inner),
      at,
    )
  }
  reset(): void {
    this.#inner.reset()
  }
}

abstract class Several implements OracleTrigger {
  protected readonly parts: readonly OracleTrigger[]
  constructor(parts: readonly OracleTrigger[]) {
    this.parts = parts
  }
  protected abstract decide(said: readonly OracleVerdict[]): OracleVerdict
  onRecord(at: OracleMoment): OracleVerdict {
    return this.decide(this.parts.map((part) => part.onRecord(at)))
  }
  onTime(at: OracleMoment, time: number, clock: OracleClock): OracleVerdict {
    return this.decide(this.parts.map((part) => part.onTime(at, time, clock)))
  }
  become(others: readonly OracleTrigger[], at: OracleMoment): void {
    for (const [i, part] of this.parts.entries()) {
      part.become(
        (others as Several[]).map((other) => other.parts[i] as OracleTrigger),
        at,
      )
    }
  }
  reset(): void {
    for (const part of this.parts) part.reset()
  }
}

class FirstOf extends Several {
  protected decide(said: readonly OracleVerdict[]): OracleVerdict {
    const fires = said.some((verdict) => verdict.fires)
    if (fires) this.reset()
    return whether(fires)
  }
}

class AllOf extends Several {
  #fired: boolean[] = []
  protected decide(said: readonly OracleVerdict[]): OracleVerdict {
    this.#fired = said.map((verdict, i) => verdict.fires || this.#fired[i] === true)
    if (!this.#fired.every(Boolean)) return NO
    this.reset()
    return YES
  }
  override become(others: readonly OracleTrigger[], at: OracleMoment): void {
    super.become(others, at)
    this.#fired = this.parts.map((_, i) =>
      (others as AllOf[]).some((other) => other.#fired[i] === true),
    )
  }
  override reset(): void {
    super.reset()
    this.#fired = []
  }
}

class OrFinally extends Several {
  constructor(trigger: OracleTrigger, until: OracleTrigger) {
    super([trigger, until])
  }
  protected decide([said, final]: readonly OracleVerdict[]): OracleVerdict {
    if (final?.fires === true) return { fires: true, purges: false, ends: true }
    return whether(said?.fires === true)
  }
}

class EarlyAndLate implements OracleTrigger {
  readonly #early: OracleTrigger
  readonly #late: OracleTrigger | undefined
  #hasLeftOver = false
  constructor(early: OracleTrigger | undefined, late: OracleTrigger | undefined) {
    this.#early = early ?? new Never()
    this.#late = late
  }
  onRecord(at: OracleMoment): OracleVerdict {
    if (at.last > at.watermark) {
      at.wake(at.last, 'event')
      return this.#early.onRecord(at)
    }
    if (this.#late === undefined) return YES
    const said = this.#late.onRecord(at)
    this.#hasLeftOver = !said.fires
    return said
  }
  onTime(at: OracleMoment, time: number, clock: OracleClock): OracleVerdict {
    if (clock === 'event' && time === at.last) {
      this.#early.reset()
      return YES
    }
    const isEarly = clock === 'event' ? time < at.last : at.watermark < at.last
    if (isEarly) return this.#early.onTime(at, time, clock)
    const said = this.#late?.onTime(at, time, clock) ?? NO
    if (clock === 'event' && time === at.drop && this.#hasLeftOver) return YES
    if (said.fires) this.#hasLeftOver = false
    return said
  }
  become(others: readonly OracleTrigger[], at: OracleMoment): void {
    const those = others as EarlyAndLate[]
    if (at.last > at.watermark) at.wake(at.last, 'event')
    this.#early.become(
      those.map((other) => other.#early),
      at,
    )
    this.#late?.become(
      those.flatMap((other) => other.#late ?? []),
      at,
    )
    this.#hasLeftOver = those.some((other) => other.#hasLeftOver)
  }
  reset(): void {
    this.#early.reset()
    this.#late?.reset()
    this.#hasLeftOver = false
  }
}
