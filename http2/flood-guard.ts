/**
 * How often a peer may do what costs us more than it: reset streams, ping, change settings, send frames that say
 * nothing. A bucket that fills again at a steady rate; who empties it loses the connection (ENHANCE_YOUR_CALM).
 */
import { errorCode, Http2Fault } from './protocol.ts';

export class FloodGuard {
  readonly #what: string;
  readonly #burstMax: number;
  readonly #perSecond: number;
  #left: number;
  #filledAtMs = performance.now();

  constructor(what: string, burstMax: number, perSecond: number) {
    this.#what = what;
    this.#burstMax = burstMax;
    this.#perSecond = perSecond;
    this.#left = burstMax;
  }

  /** Throws Http2Fault beyond the bound. */
  count(): void {
    this.#left -= 1;
    if (this.#left >= 0) return;
    const nowMs = performance.now();
    const filled = ((nowMs - this.#filledAtMs) * this.#perSecond) / 1_000;
    this.#filledAtMs = nowMs;
    this.#left = Math.min(this.#burstMax, Math.floor(filled)) - 1;
    if (this.#left < 0) throw new Http2Fault(errorCode.enhanceYourCalm, `too many ${this.#what}`);
  }
}
