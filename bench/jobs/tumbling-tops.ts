import { min, topN, tumbling } from 'millrace'
import { type Numbered, tenth, windowed } from './windowed.ts'

export default windowed(
  'tumbling-tops',
  tumbling('1h'),
  { min: min(({ n }: Numbered) => n), top: topN(10, ({ n }: Numbered) => n) },
  tenth,
)
