/**
 * The abort signals of pending commands, listened to once each.
 *
 * A batch's commands have one signal. To listen to it for each of a thousand takes longer than to do them, and to stop
 * listening for each is quadratic, because a signal looks for the listener among all.
 */
export class AbortWatches {
  readonly #onAbort: (signal: AbortSignal) => void;
  readonly #bySignal = new Map<AbortSignal, AbortWatch>();
  #last: AbortWatch | undefined;

  constructor(onAbort: (signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  /** One more command has this signal. */
  enter(signal: AbortSignal): AbortWatch {
    let watch = this.#last?.signal === signal ? this.#last : this.#bySignal.get(signal);
    if (watch === undefined) {
      watch = new AbortWatch(signal, this.#onAbort);
      this.#bySignal.set(signal, watch);
      signal.addEventListener('abort', watch);
    }
    watch.commands += 1;
    this.#last = watch;
    return watch;
  }

  leave(watch: AbortWatch): void {
    watch.commands -= 1;
    if (watch.commands > 0) return;
    watch.signal.removeEventListener('abort', watch);
    this.#bySignal.delete(watch.signal);
    if (this.#last === watch) this.#last = undefined;
  }
}

export class AbortWatch implements EventListenerObject {
  readonly signal: AbortSignal;
  readonly #onAbort: (signal: AbortSignal) => void;
  commands = 0;

  constructor(signal: AbortSignal, onAbort: (signal: AbortSignal) => void) {
    this.signal = signal;
    this.#onAbort = onAbort;
  }

  handleEvent(): void {
    this.#onAbort(this.signal);
  }
}
