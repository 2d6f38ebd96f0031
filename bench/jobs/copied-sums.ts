// The naive way: every record is folded into each of the 360 windows that hold it.
import { count, onEventTime, sliding, sum } from 'millrace'
import { type Numbered, windowed } from './windowed.ts'

export default windowed('copied-sums', sliding('1h', { every: '10s' }).trigger(onEventTime()), {
  count: count(),
  sum: sum(({ n }: Numbered) => n),
})
