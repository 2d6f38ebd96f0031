/** The records that the jobs read. */
import { z } from 'zod'

/** A user gave a film 0.5 to 5 stars; `timestamp` is in seconds, as in MovieLens. */
export const Rating = z.object({
  userId: z.number(),
  movieId: z.number(),
  rating: z.number(),
  timestamp: z.number(),
})

export type Rating = z.infer<typeof Rating>
