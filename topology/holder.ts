/**
 * The topology that a process runs by: the one with the highest epoch of all it has been offered, wherever they came
 * from (a file, a push, its own copy on disk). It never goes back, so late and repeated offers are harmless.
 */
import { SlotMap } from './slot-map.ts';
import type { Topology } from './topology.ts';

/** What those who only follow the topology need of it. */
export interface TopologyView {
  /** The current topology, laid out for looking up slots. Replaced as a whole, never changed. */
  readonly slots: SlotMap;
  /** Calls back with every newer topology; the returned function ends that. */
  onChange(listener: (slots: SlotMap) => void): () => void;
  /** Resolves once the epoch is above `epoch`, or after `timeoutMs`, with the current slots either way. */
  newerThan(epoch: number, timeoutMs: number): Promise<SlotMap>;
}

export class TopologyHolder implements TopologyView {
  #slots: SlotMap;
  readonly #listeners = new Set<(slots: SlotMap) => void>();

  constructor(topology: Topology) {
    this.#slots = new SlotMap(topology);
  }

  get slots(): SlotMap {
    return this.#slots;
  }

  /** Takes the topology if its epoch is higher, and says whether it did. */
  offer(topology: Topology): boolean {
    if (topology.epoch <= this.#slots.epoch) return false;
    this.#slots = new SlotMap(topology);
    for (const listener of this.#listeners) listener(this.#slots);
    return true;
  }

  onChange(listener: (slots: SlotMap) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  newerThan(epoch: number, timeoutMs: number): Promise<SlotMap> {
    if (this.#slots.epoch > epoch) return Promise.resolve(this.#slots);
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        stop();
        resolve(this.#slots);
      };
      const timer = setTimeout(finish, timeoutMs);
      timer.unref();
      const stop = this.onChange((slots) => {
        if (slots.epoch > epoch) finish();
      });
    });
  }
}
