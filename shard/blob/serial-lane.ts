/** Runs tasks one after the other, in the order they came. */
export class SerialLane {
  #tail: Promise<unknown> = Promise.resolve();

  async run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    // The lane goes on after a failure; whoever asked for the task hears of it.
    this.#tail = result.catch(() => undefined);
    return await result;
  }
}
