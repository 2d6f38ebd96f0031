import { count, sliding, sum } from 'millrace'
import { type Numbered, windowed } from './windowed.ts'

export default windowed('sliding-sums', sliding('1h', { every: '10s' }), {
  count: count(),
  sum: sum(({ n }: Numbered) => n),
})
