/**
 * A topology laid out for looking up slots: one index a slot into the document's runs, 32 KiB in all, so that the owner
 * of a key costs two array reads. Built once an epoch and never changed.
 */
import { slotCount } from '../limits.ts';
import type { SlotRun, Topology } from './topology.ts';

export class SlotMap {
  readonly topology: Topology;
  readonly #runs: readonly SlotRun[];
  readonly #runOfSlot = new Uint16Array(slotCount);
  readonly #owners: readonly string[];

  constructor(topology: Topology) {
    this.topology = topology;
    this.#runs = topology.slots;
    this.#owners = topology.slots.map((run) => run.shards[0]!);
    for (const [index, run] of topology.slots.entries()) this.#runOfSlot.fill(index, run.from, run.to + 1);
  }

  get epoch(): number {
    return this.topology.epoch;
  }

  /** The name of the shard that owns a slot. */
  ownerOf(slot: number): string {
    return this.#owners[this.#runOfSlot[slot]!]!;
  }

  /** The epoch at which that owner got the slot: log records of it that are older are not its own. */
  sinceOf(slot: number): number {
    return this.#runs[this.#runOfSlot[slot]!]!.since;
  }

  /**
   * The epoch since which what a shard holds of the slot counts: from when it owns it, or, while it hands it over, had
   * owned it. Undefined: nothing that the shard holds of this slot counts any more.
   */
  heldSince(slot: number, shard: string): number | undefined {
    const run = this.#runs[this.#runOfSlot[slot]!]!;
    if (run.shards[0] === shard) return run.since;
    return run.source === shard ? run.sourceSince : undefined;
  }

  /** The shard that still holds what has not arrived, while the slot is on the move. */
  sourceOf(slot: number): string | undefined {
    return this.#runs[this.#runOfSlot[slot]!]!.source;
  }

  /** The names of the shards that own slots, in the order of the first slot of each. */
  owners(): string[] {
    return [...new Set(this.#owners)];
  }
}
