/**
 * The abort signals of pending commands, listened to once each.
 *
 * A batch's commands have one signal. To listen to it for each of a thousand takes longer than to do them, and to stop
 * listening for each is quadratic, because a signal looks for the listener among all. A signal of one command knows it, so
 * that a connection which breaks with a thousand calls has nobody look for each among the commands of all others; one of
 * several tells that its commands are to be looked for, which happens once a batch.
 */
import type { PendingCommand } from './pending.ts';

/** `only`: the signal's one command; undefined where it has, or had, several. */
export type OnAbort = (watch: AbortWatch, only: PendingCommand | undefined) => void;

export class AbortWatches {
  readonly #onAbort: OnAbort;
  readonly #bySignal = new Map<AbortSignal, AbortWatch>();
  #last: AbortWatch | undefined;

  constructor(onAbort: OnAbort) {
    this.#onAbort = onAbort;
  }

  /** One more command has this signal. */
  enter(signal: AbortSignal, pending: PendingCommand): AbortWatch {
    let watch = this.#last?.signal === signal ? this.#last : this.#bySignal.get(signal);
    if (watch === undefined) {
      watch = new AbortWatch(signal, pending, this.#onAbort);
      this.#bySignal.set(signal, watch);
      signal.addEventListener('abort', watch);
    }
    watch.commands += 1;
    if (watch.only !== pending) watch.only = undefined;
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
  readonly #onAbort: OnAbort;
  commands = 0;
  only: PendingCommand | undefined;

  constructor(signal: AbortSignal, only: PendingCommand, onAbort: OnAbort) {
    this.signal = signal;
    this.only = only;
    this.#onAbort = onAbort;
  }

  handleEvent(): void {
    this.#onAbort(this, this.only);
  }
}
