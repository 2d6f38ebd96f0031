/**
 * Reads and writes of many bytes at once. A FileHandle's own readFile and writeFile go to the disk in pieces
 * of half a megabyte, each a turn of a thread and of the event loop.
 */
import type { FileHandle } from 'node:fs/promises'

/** Fills the buffer from a position on; gives how much of it the file had. */
export async function readInto(
  file: FileHandle,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Writes all of it behind what was written. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done)
    done += bytesWritten
  }
}
