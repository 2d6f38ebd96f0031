/** Where `millrace publish` puts messages: the embedded log or a JetStream stream. */

export type PublisherOptions =
  | { readonly kind: 'embedded'; readonly stream: string; readonly log: string }
  | {
      readonly kind: 'jetstream'
      readonly stream: string
      /** One address, or several with commas between them. */
      readonly servers: string
      readonly credentials: string | undefined
      /** Default: the stream's own, when it has one without wildcards. */
      readonly subject: string | undefined
    }

export interface Publisher {
  /** Names the stream for people. */
  readonly where: string
  /** Resolves when the stream has taken all of them. @throws UnavailableError, ConfigError */
  append(messages: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
}
