/** The links to all shards of the topology: new ones are opened, gone ones closed, moved ones opened anew. */
import { DeadlineWheel } from '../grpc/deadline-wheel.ts';
import type { TopologyView } from '../topology/holder.ts';
import type { SlotMap } from '../topology/slot-map.ts';
import { ShardLink, type ShardLinkOptions } from './shard-link.ts';

export type LinkSetOptions = Omit<ShardLinkOptions, 'shard' | 'address' | 'deadlines'>;

export class LinkSet {
  readonly #options: LinkSetOptions;
  readonly #deadlines = new DeadlineWheel();
  readonly #links = new Map<string, ShardLink>();
  readonly #stop: () => void;
  readonly #waiting = new Set<() => void>();

  constructor(topology: TopologyView, options: LinkSetOptions = {}) {
    this.#options = options;
    this.#follow(topology.slots);
    this.#stop = topology.onChange((slots) => this.#follow(slots));
  }

  get(shard: string): ShardLink | undefined {
    return this.#links.get(shard);
  }

  all(): readonly ShardLink[] {
    return [...this.#links.values()];
  }

  /** Resolves when every link is ready, or after `timeoutMs`; true if all are. */
  async ready(timeoutMs: number): Promise<boolean> {
    const untilMs = performance.now() + timeoutMs;
    while (!this.#areReady()) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      await this.#stateChange(leftMs);
    }
    return true;
  }

  close(): void {
    this.#stop();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #areReady(): boolean {
    return this.all().every((link) => link.state === 'ready');
  }

  #follow({ topology }: SlotMap): void {
    const listed = new Set(topology.shards.map((shard) => shard.name));
    for (const [name, link] of this.#links) {
      if (listed.has(name)) continue;
      link.close();
      this.#links.delete(name);
    }
    for (const { name, address } of topology.shards) {
      const link = this.#links.get(name);
      if (link?.address === address) continue;
      link?.close();
      this.#links.set(name, this.#open(name, address));
    }
  }

  #open(shard: string, address: string): ShardLink {
    const onState = (link: ShardLink): void => {
      this.#options.onState?.(link);
      for (const wake of this.#waiting) wake();
    };
    return new ShardLink({ ...this.#options, shard, address, deadlines: this.#deadlines, onState });
  }

  #stateChange(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }
}
