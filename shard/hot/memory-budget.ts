/**
 * One budget for the memory of a shard: `memory.limit` covers the index, values in RAM, buffers in flight and uploads.
 *
 *   target │ index │ in flight, uploads │ unaccounted │ hot tier …………… │
 *
 * The hot tier is what can yield, so it gets what the others leave. What the process really holds is more than the sum
 * of what is accounted: the runtime itself, garbage that is not collected yet, memory that malloc keeps. So resident
 * memory is read several times a second, and what it is above the accounted sum is set aside too: the peak of the last
 * while, which fades slowly, because garbage comes and goes with every collection. The target lies above the limit and
 * below 1.25 times of it.
 *
 * What is set aside is measured and not steered (an integrator over the excess, tried first, swung between too much
 * and nothing). It presumes that freed memory goes back to the system: with glibc's defaults it does not, see
 * `shardEnvironment`. The hot tier keeps a small part in any case: what eviction cannot mend must not empty it.
 *
 * Where a limit is so small that the process itself takes most of it, the index has to be smaller too (`indexBytesMaxOf`).
 * That bound is fixed: by the measure above, a peak of garbage would take keys.
 */
import {
  hotShareMin,
  indexResidentRatio,
  indexShareOfMemoryMax,
  indexShareOfMemoryMin,
  memoryCheckIntervalMs,
  memoryOfProcessBytes,
  memoryPeakDecayPerSecond,
  memoryResidentRatioMax,
  memoryTargetRatio,
  memoryUnaccountedBytesFirst,
} from '../../limits.ts';
import type { Clock } from '../clock.ts';
import type { HotTier } from './hot-tier.ts';

export interface MemoryReading {
  /** The limit of all, and the most that the hot tier may have. */
  readonly limitBytes: number;
  readonly hotBytesMax: number;
  readonly residentBytes: number;
  readonly hotBytes: number;
  readonly indexBytes: number;
  /** In flight, uploads and the like. */
  readonly otherBytes: number;
  /** The peak as of the last reading. */
  readonly unaccountedBytes: number;
}

export interface MemoryShares {
  readonly hotLimitBytes: number;
  readonly unaccountedBytes: number;
}

/**
 * What the index of a shard with this limit may take: half of it, and no more than leaves room for all else that is
 * resident. Below some 700 MiB that is less than half.
 */
export function indexBytesMaxOf(limitBytes: number): number {
  const leftBytes = (limitBytes * memoryResidentRatioMax - memoryOfProcessBytes) / indexResidentRatio;
  return Math.min(limitBytes * indexShareOfMemoryMax, Math.max(limitBytes * indexShareOfMemoryMin, leftBytes));
}

/** The hot tier's limit until the next reading. Pure. */
export function shareMemory(reading: MemoryReading): MemoryShares {
  const { limitBytes, hotBytesMax, residentBytes, hotBytes, indexBytes, otherBytes } = reading;
  const now = Math.max(0, residentBytes - hotBytes - indexBytes - otherBytes);
  const fading = (1 - memoryPeakDecayPerSecond) ** (memoryCheckIntervalMs / 1_000);
  const unaccountedBytes = Math.max(now, reading.unaccountedBytes * fading);
  const rest = limitBytes * memoryTargetRatio - indexBytes - otherBytes - unaccountedBytes;
  const hotBytesMin = Math.min(hotBytesMax, limitBytes * hotShareMin);
  const hotLimitBytes = Math.floor(Math.min(hotBytesMax, Math.max(hotBytesMin, rest)));
  return { hotLimitBytes, unaccountedBytes };
}

export interface MemoryBudgetParts {
  readonly limitBytes: number;
  readonly hotBytesMax: number;
  readonly hot: HotTier;
  readonly clock: Clock;
  readonly indexBytes: () => number;
  readonly otherBytes: () => number;
  /** The process's resident set: `process.memoryUsage.rss`. */
  readonly residentBytes: () => number;
}

export class MemoryBudget {
  readonly #parts: MemoryBudgetParts;
  #unaccountedBytes: number;
  #residentBytes = 0;
  #stop: () => void = () => undefined;

  /** Begins at once. */
  constructor(parts: MemoryBudgetParts) {
    this.#parts = parts;
    this.#unaccountedBytes = parts.residentBytes() + Math.min(memoryUnaccountedBytesFirst, parts.limitBytes / 4);
    this.#check();
  }

  get limitBytes(): number {
    return this.#parts.limitBytes;
  }

  /** As last read. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** Resident memory above what is accounted: the peak of the last while. */
  get unaccountedBytes(): number {
    return this.#unaccountedBytes;
  }

  close(): void {
    this.#stop();
  }

  #check(): void {
    const { limitBytes, hotBytesMax, hot, clock, indexBytes, otherBytes, residentBytes } = this.#parts;
    this.#residentBytes = residentBytes();
    const shares = shareMemory({
      limitBytes,
      hotBytesMax,
      residentBytes: this.#residentBytes,
      hotBytes: hot.bytes,
      indexBytes: indexBytes(),
      otherBytes: otherBytes(),
      unaccountedBytes: this.#unaccountedBytes,
    });
    this.#unaccountedBytes = shares.unaccountedBytes;
    hot.limitBytes = shares.hotLimitBytes;
    this.#stop = clock.after(memoryCheckIntervalMs, () => this.#check());
  }
}
