// Each impression with its click, if one came within ten minutes; with null, if none did. The result
// has the impression's time, so what counts clicks by time behind this counts them where they belong.
import { job } from 'millrace'
import { Click, Impression } from './schemas.ts'

export default job('attributed-impressions', ({ source, sink }) => {
  const impressions = source('impressions', Impression).keyBy((shown) => shown.impressionId)
  const clicks = source('clicks', Click).keyBy((click) => click.impressionId)

  impressions
    .leftJoin('attributed', clicks, { within: ['0s', '10m'], time: 'left' }, (shown, click) => ({
      impressionId: shown.impressionId,
      userId: shown.userId,
      itemId: shown.itemId,
      shownAt: shown.timestamp,
      clickedAt: click?.timestamp ?? null,
    }))
    .to(sink('attributed'))
})
