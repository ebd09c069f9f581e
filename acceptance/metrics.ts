/** The metrics of a process, read once, as Prometheus reads them. */

export class Metrics {
  readonly #samples: ReadonlyMap<string, number>;

  private constructor(samples: ReadonlyMap<string, number>) {
    this.#samples = samples;
  }

  /** Reads those of the process whose HTTP door is at `address`, host:port. */
  static async of(address: string): Promise<Metrics> {
    const response = await fetch(`http://${address}/metrics`);
    if (!response.ok) throw new Error(`${address} answered ${response.status} for its metrics`);
    const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Metrics(
      new Map(
        lines.map((line) => {
          const at = line.lastIndexOf(' ');
          return [line.slice(0, at), Number(line.slice(at + 1))] as const;
        }),
      ),
    );
  }

  /** A metric by its name and labels as they stand in the text: `kvcache_reads_total{found="hot"}`. */
  value(sample: string): number {
    const value = this.#samples.get(sample);
    if (value === undefined) throw new Error(`there is no ${sample} among ${[...this.#samples.keys()].join(', ')}`);
    return value;
  }
}
