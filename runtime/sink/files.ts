/** The part of node:fs/promises that a file sink uses, so that a file can be put in its place that forgets what was not synced. */
import { mkdir, open } from 'node:fs/promises'

export interface OpenFile {
  stat(): Promise<{ readonly size: number }>
  truncate(length: number): Promise<void>
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<unknown>
  writev(chunks: readonly Uint8Array[], position: number): Promise<{ bytesWritten: number }>
  sync(): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
}

export interface Files {
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>
  open(path: string, flags: 'a' | 'r' | 'r+'): Promise<OpenFile>
}

export const systemFiles: Files = { mkdir, open }
