/**
 * Runs `work` on every item, at most `window` at a time. All of it has ended when the promise settles: after a fault
 * the rest still runs, so that nothing goes on behind the caller's back, and the first fault is thrown.
 */
export async function forEachInWindow<Item>(
  items: readonly Item[],
  window: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const faults: unknown[] = [];
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      try {
        await work(item);
      } catch (fault) {
        faults.push(fault);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(window, items.length) }, worker));
  if (faults.length > 0) throw faults[0];
}
