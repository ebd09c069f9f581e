/**
 * For tests: what one key may be, after everything that has happened to it.
 *
 * Every write is a version. A write that was acknowledged makes its version the only possible one; one that failed in
 * between adds a possibility. What was flushed is the floor: a shard that loses power may fall back as far as that, and
 * no further. An answer that no possible version explains is a fault; one that only some explain rules out the others.
 */

/** Undefined: absent. */
export interface Version {
  readonly value: string | undefined;
  /** Unix milliseconds, 0 for never. */
  readonly expireAtMs: number;
}

/** From before a question was asked until after its answer came. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const absent: Version = { value: undefined, expireAtMs: 0 };

export class KeyHistory {
  readonly name: string;
  readonly #versions: Version[] = [absent];
  #possible = new Set([0]);
  /** The value may be lost at the shard that had it, while the one that has the slot now lists the key. */
  #mayLackValue = false;
  /** What the key may be once everything that was not flushed is gone. */
  readonly #floor = { disk: new Set([0]), blob: new Set([0]) };

  constructor(name: string) {
    this.name = name;
  }

  /** Every version that the key may be now. */
  get possible(): readonly Version[] {
    return [...this.#possible].map((at) => this.#versions[at]!);
  }

  /** The key has become `after(version)`, for certain. */
  wrote(after: (before: Version) => Version): void {
    this.#possible = this.#versionsAfter(after);
    this.#mayLackValue = false;
  }

  /** The same, but perhaps not. */
  mayHaveWritten(after: (before: Version) => Version): void {
    for (const at of this.#versionsAfter(after)) this.#possible.add(at);
  }

  /** The key has become one of these versions; `isCertain` false: or has not. */
  becameOneOf(versions: readonly Version[], isCertain: boolean): void {
    const added = versions.map((version) => this.#versions.push(version) - 1);
    this.#possible = new Set(isCertain ? added : [...this.#possible, ...added]);
    if (isCertain) this.#mayLackValue = false;
  }

  set(value: string | undefined, expireAtMs = 0): (before: Version) => Version {
    return () => ({ value, expireAtMs });
  }

  /** What the key may be now, for `flushed`. */
  snapshot(): ReadonlySet<number> {
    return new Set(this.#possible);
  }

  /** What the key was when the flush began is safe at that level, or something younger. */
  flushed(level: 'disk' | 'blob', before: ReadonlySet<number>): void {
    this.#floor.disk = new Set(before);
    if (level === 'blob') this.#floor.blob = new Set(before);
  }

  /** A shard that has to do with the key has lost what was not safe at that level. */
  fellBack(level: 'disk' | 'blob'): void {
    const lowest = Math.min(...this.#floor[level]);
    const highest = Math.max(...this.#possible);
    for (let at = lowest; at <= highest; at++) this.#possible.add(at);
    this.#mayLackValue = true;
    if (level === 'blob') this.#floor.disk = new Set([...this.#floor.disk, ...this.#floor.blob]);
  }

  /** The key may be gone, and stay so whatever is lost. */
  mayBeGone(): void {
    const at = this.#versions.push(absent) - 1;
    for (const versions of [this.#possible, this.#floor.disk, this.#floor.blob]) versions.add(at);
  }

  /** Keeps those versions that the answer fits; throws if there is none. */
  saw(what: string, span: Span, fits: (version: Version) => boolean): void {
    const still = [...this.#possible].filter((at) => fits(this.#versions[at]!));
    if (still.length === 0) throw new Error(`${this.name}: ${what}, but it may be ${this.describe(span)}`);
    this.#possible = new Set(still);
  }

  /** The same for an answer that tells nothing of the value: it may come out later that it is lost. */
  glimpsed(what: string, span: Span, fits: (version: Version) => boolean): void {
    const before = this.#possible;
    this.saw(what, span, fits);
    if (this.#mayLackValue) this.#possible = before;
  }

  describe({ fromMs, toMs }: Span): string {
    const versions = [...this.#possible].map((at) => {
      const { value, expireAtMs } = this.#versions[at]!;
      const expiry = expireAtMs === 0 ? '' : ` until ${expireAtMs}`;
      return `#${at} ${value === undefined ? 'absent' : value.slice(0, 24)}${expiry}`;
    });
    return `${versions.join(' or ')} (asked from ${fromMs} to ${toMs}; ${this.#versions.length} versions)`;
  }

  #versionsAfter(after: (before: Version) => Version): Set<number> {
    const before = [...this.#possible].map((at) => this.#versions[at]!);
    return new Set(before.map((version) => this.#versions.push(after(version)) - 1));
  }
}

/** The version may have been there at some moment of the span. */
export function mayBeThere({ value, expireAtMs }: Version, span: Span): boolean {
  return value !== undefined && (expireAtMs === 0 || span.fromMs < expireAtMs);
}

/** The version may have been absent, or past its expiry, at some moment of the span. */
export function mayBeAbsent({ value, expireAtMs }: Version, span: Span): boolean {
  return value === undefined || (expireAtMs !== 0 && expireAtMs <= span.toMs);
}
