/** How much is logged. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]
