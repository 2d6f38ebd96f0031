/** Asks again and again until it is so. @throws Error after `timeoutMs`, saying what did not happen. */
export async function waitUntil(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { everyMs, timeoutMs }: { readonly everyMs: number; readonly timeoutMs: number },
): Promise<void> {
  const startedMs = performance.now()
  while (!(await isSo())) {
    if (performance.now() - startedMs > timeoutMs) {
      throw new Error(`waited ${timeoutMs / 1_000} s in vain until ${what}`)
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
