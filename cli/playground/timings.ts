/**
 * How long the calls of one kind took and how much they carried, in constant memory however long a run is.
 *
 * Latencies go into an HdrHistogram of the runtime (three significant digits). The rate is bytes over *busy* time, the
 * time while at least one call of the kind was under way: a run alternates between reading and writing, and dividing
 * by the whole run would show neither.
 */
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks';

const nanosecondsPerMs = 1e6;

export interface Timing {
  readonly count: number;
  readonly bytes: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p100Ms: number;
  /** Median of what the server says that it spent, of calls where it says so. */
  readonly serverP50Ms: number;
}

export class Timings {
  readonly #latency: RecordableHistogram = createHistogram();
  readonly #server: RecordableHistogram = createHistogram();
  #longestMs = 0;
  #count = 0;
  #bytes = 0;
  #underWay = 0;
  #busySinceMs = 0;
  #busyMs = 0;

  /** Runs one call and records it where it succeeds. */
  async measure<Result>(call: () => Promise<Result>, describe: (result: Result) => CallFacts): Promise<Result> {
    const startMs = performance.now();
    if (this.#underWay++ === 0) this.#busySinceMs = startMs;
    try {
      const result = await call();
      this.#record(performance.now() - startMs, describe(result));
      return result;
    } finally {
      if (--this.#underWay === 0) this.#busyMs += performance.now() - this.#busySinceMs;
    }
  }

  summary(): Timing {
    return {
      count: this.#count,
      bytes: this.#bytes,
      bytesPerSecond: this.#busyMs > 0 ? Math.round((this.#bytes * 1000) / this.#busyMs) : 0,
      p50Ms: this.#percentileMs(this.#latency, 50),
      p90Ms: this.#percentileMs(this.#latency, 90),
      p100Ms: roundedMs(this.#longestMs),
      serverP50Ms: this.#percentileMs(this.#server, 50),
    };
  }

  #record(tookMs: number, { bytes, serverUs }: CallFacts): void {
    this.#count++;
    this.#bytes += bytes;
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    this.#latency.record(Math.max(1, Math.round(tookMs * nanosecondsPerMs)));
    if (serverUs !== undefined && serverUs > 0) this.#server.record(serverUs * 1000);
  }

  #percentileMs(histogram: RecordableHistogram, percentile: number): number {
    // The histogram rounds up within its three digits; no percentile may pass the longest call.
    return histogram.count === 0
      ? 0
      : roundedMs(Math.min(histogram.percentile(percentile) / nanosecondsPerMs, this.#longestMs));
  }
}

/** What a finished call carried, and the microseconds that the server says it took. */
export interface CallFacts {
  readonly bytes: number;
  readonly serverUs?: number | undefined;
}

function roundedMs(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
