import { count, sum, tumbling } from 'millrace'
import { type Numbered, windowed } from './windowed.ts'

export default windowed('tumbling-sums', tumbling('1h'), {
  count: count(),
  sum: sum(({ n }: Numbered) => n),
})
