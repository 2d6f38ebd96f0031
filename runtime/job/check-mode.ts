/** Whether a manifest can be run as it is asked to. */
import type { ResolvedManifest } from '../../config/manifest.ts'
import { ConfigError } from '../errors.ts'

/** @throws ConfigError when a batch is to be followed live and nothing goes on behind it. */
export function checkMode({ sources, followedBy }: ResolvedManifest, mode: 'live' | 'batch'): void {
  if (mode === 'live' || followedBy === undefined) return
  const kinds = [...sources].map(([name, { input }]) => ({ name, input }))
  for (const { name, input } of kinds) {
    if (input.kind !== 'file' || !input.follow) continue
    throw new ConfigError(
      `--then live: source '${name}' is a file that is followed, whose last line may be half written where its batch ends; run it with --mode live, or put it into a stream (millrace publish)`,
    )
  }
  if (kinds.some(({ input }) => input.kind === 'embedded' || input.kind === 'jetstream')) return
  const names = kinds.map(({ name, input }) => `'${name}' (${input.kind})`).join(', ')
  throw new ConfigError(
    `--then live: nothing goes on behind the end of ${names}: only embedded and jetstream sources have more to come. Leave it out, or read a stream`,
  )
}
