/** How much a task does before it lets others have their turn, or gives up waiting for them. */

/** How many timers fire before the event loop gets its turn. */
export const TIMERS_PER_TURN = 2_000
/** How long the loop works before other work of the process gets its turn. */
export const TURN_MS_MAX = 8
/** How long a stopping task waits for its sinks to take what is durable. */
export const HANDOVER_MS_MAX = 5_000
