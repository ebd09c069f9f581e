/** What metrics tell of the locks of a process: who was refused where, and until when certificates are good. */
import type { RefusalReason } from './authenticator.ts';

/** How often each door refused, and why. */
export class Refusals {
  readonly #counts = new Map<string, Map<RefusalReason, number>>();

  add(door: string, reason: RefusalReason): void {
    const counts = this.#counts.get(door) ?? new Map<RefusalReason, number>();
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
    this.#counts.set(door, counts);
  }

  /** For metrics: number, door, reason. */
  samples(): [number, string, string][] {
    return [...this.#counts].flatMap(([door, counts]) =>
      [...counts].map(([reason, count]): [number, string, string] => [count, door, reason]),
    );
  }
}

export class SecurityFigures {
  readonly refusals = new Refusals();
  readonly #certificates = new Map<string, () => number | undefined>();

  /** `expirySeconds` since 1970, or undefined where there is no certificate. */
  addCertificate(name: string, expirySeconds: () => number | undefined): void {
    this.#certificates.set(name, expirySeconds);
  }

  /** For metrics: seconds since 1970, name. */
  expirySamples(): [number, string][] {
    return [...this.#certificates].flatMap(([name, read]): [number, string][] => {
      const seconds = read();
      return seconds === undefined ? [] : [[seconds, name]];
    });
  }
}
