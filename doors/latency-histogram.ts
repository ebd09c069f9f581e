/**
 * A Prometheus histogram that costs a few nanoseconds an observation.
 *
 * prom-client's own takes about a microsecond, for labels that are not there: more than many commands. This one counts
 * into a typed array and makes Prometheus' cumulative form only when it is read.
 *
 * Of what is hardly slower than two looks at the clock, only samples need to be timed, and others are counted as having
 * taken as long as the last sample. So every one is in the counts, at once and for good, as counters must not fall.
 */
import type { Metric, MetricValueWithName, Registry } from 'prom-client';

/** Seconds: from what RAM takes to what Blob and a crowded disk take. */
export const latencyBounds: readonly number[] = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** What a registry prints: prom-client's MetricObjectWithValues, as it uses it. */
interface HistogramValues {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly MetricValueWithName<'le'>[];
}

export class LatencyHistogram {
  readonly name: string;
  readonly help: string;
  /** Observations by bucket, the last one for what is above all bounds. */
  readonly #counts = new Float64Array(latencyBounds.length + 1);
  #sum = 0;
  #sampledBucket = 0;
  #sampledSeconds = 0;

  /** Registers itself. */
  constructor(registry: Registry, name: string, help: string) {
    this.name = name;
    this.help = help;
    // A registry asks a metric for no more than name, get and reset.
    registry.registerMetric(this as unknown as Metric);
  }

  observe(seconds: number): void {
    this.#counts[bucketOf(seconds)]!++;
    this.#sum += seconds;
  }

  /** One that stands for those after it that are not timed. */
  observeSample(seconds: number): void {
    this.#sampledBucket = bucketOf(seconds);
    this.#sampledSeconds = seconds;
    this.observeUntimed();
  }

  observeUntimed(): void {
    this.#counts[this.#sampledBucket]!++;
    this.#sum += this.#sampledSeconds;
  }

  /** Observations so far. */
  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Observations by bucket, the last one for what is above all bounds. */
  get counts(): number[] {
    return [...this.#counts];
  }

  async get(): Promise<HistogramValues> {
    const { name, help } = this;
    let cumulative = 0;
    const values: MetricValueWithName<'le'>[] = latencyBounds.map((le, bucket) => {
      cumulative += this.#counts[bucket]!;
      return { metricName: `${name}_bucket`, labels: { le }, value: cumulative };
    });
    const { count } = this;
    values.push(
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    );
    return {
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values,
    };
  }

  reset(): void {
    this.#counts.fill(0);
    this.#sum = 0;
  }
}

function bucketOf(seconds: number): number {
  let bucket = 0;
  while (bucket < latencyBounds.length && seconds > latencyBounds[bucket]!) bucket++;
  return bucket;
}
