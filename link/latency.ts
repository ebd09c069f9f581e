/**
 * Latencies in buckets whose bounds double, from 16 µs to 8 minutes: two array writes a measurement and no allocation.
 * Shares are read off by walking the buckets; they are as exact as a bucket is wide.
 */

const bucketCount = 26;
const firstBoundMs = 0.016;

export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketCount);
  /** Commands of one batch take equally long, as far as a clock that is read once a batch can tell. */
  #lastMs = 0;
  #lastIndex = 0;
  #sumMs = 0;
  #count = 0;

  /** Upper bounds in milliseconds; the last bucket has none. */
  static readonly boundsMs: readonly number[] = Array.from(
    { length: bucketCount - 1 },
    (_, index) => firstBoundMs * 2 ** index,
  );

  record(latencyMs: number): void {
    if (latencyMs !== this.#lastMs) {
      this.#lastMs = latencyMs;
      this.#lastIndex = indexOf(latencyMs);
    }
    this.#counts[this.#lastIndex]! += 1;
    this.#sumMs += latencyMs;
    this.#count += 1;
  }

  get count(): number {
    return this.#count;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  /** How many fell into each bucket, in the order of `boundsMs` and then the last. */
  get counts(): readonly number[] {
    return [...this.#counts];
  }

  /** The upper bound of the bucket in which this share (0 to 1) of all measurements is reached; 0 without any. */
  quantileMs(share: number): number {
    let left = share * this.#count;
    for (let index = 0; index < bucketCount - 1; index++) {
      left -= this.#counts[index]!;
      if (left <= 0) return this.#count === 0 ? 0 : LatencyHistogram.boundsMs[index]!;
    }
    return Infinity;
  }
}

function indexOf(latencyMs: number): number {
  // A clock that was set back must not give a negative index.
  const bucket = Math.ceil(Math.log2(Math.max(latencyMs, firstBoundMs) / firstBoundMs));
  return Math.min(bucket, bucketCount - 1);
}
