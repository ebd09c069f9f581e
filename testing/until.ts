/** Resolves when the condition holds; the test's own time bound is the only other end. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
