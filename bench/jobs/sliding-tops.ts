import { min, sliding, topN } from 'millrace'
import { type Numbered, tenth, windowed } from './windowed.ts'

export default windowed(
  'sliding-tops',
  sliding('1h', { every: '10s' }),
  { min: min(({ n }: Numbered) => n), top: topN(10, ({ n }: Numbered) => n) },
  tenth,
)
