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

/** An item was shown to a user; `timestamp` is in milliseconds. */
export const Impression = z.object({
  impressionId: z.number(),
  userId: z.number(),
  itemId: z.number(),
  timestamp: z.number(),
})

export type Impression = z.infer<typeof Impression>

/** A user clicked on what was shown; `timestamp` is in milliseconds. */
export const Click = z.object({
  impressionId: z.number(),
  timestamp: z.number(),
})

export type Click = z.infer<typeof Click>
