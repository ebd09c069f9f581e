/**
 * What this shard may do with each of the 16,384 slots, as one array that follows the topology in the tick in which it
 * changes: every write looks here a last time when it is applied, so a slot that has gone takes none from then on.
 *
 *   foreign     another shard's
 *   departing   another shard's, which fetches from here what it has not got yet
 *   closed      this shard's, but its keys have not been listed yet: nobody may read or write it
 *   served      this shard's
 *
 * A slot that becomes this shard's while it runs is closed at first, also where nobody hands it over (its source was
 * given up for lost): the index may still hold keys of an earlier time, which must go before anybody looks. After a start
 * it holds none, for recovery leaves them out.
 */
import { slotCount } from '../../limits.ts';
import type { TopologyView } from '../../topology/holder.ts';
import type { SlotMap } from '../../topology/slot-map.ts';
import type { ServedSlots } from '../keyspace/keyspace-options.ts';

const foreign = 0;
const departing = 1;
const closed = 2;
const served = 3;

export interface SlotCounts {
  readonly served: number;
  readonly closed: number;
  readonly departing: number;
}

export class SlotStates implements ServedSlots {
  /** Whose states they are. */
  readonly shard: string;
  readonly #states = new Uint8Array(slotCount);
  /** The epoch since which the slot was this shard's when it was opened, plus one; 0 for never. */
  readonly #openedSince = new Float64Array(slotCount);
  #slots: SlotMap;
  #closed = 0;
  #notMine: readonly number[] = [];

  constructor(topology: TopologyView, shard: string) {
    this.shard = shard;
    this.#slots = topology.slots;
    this.#states.fill(served);
    this.#follow(topology.slots);
    // For the life of the process: there is no end to it.
    topology.onChange((slots) => this.#follow(slots));
  }

  serves(slot: number): boolean {
    return this.#states[slot] === served;
  }

  isClosed(slot: number): boolean {
    return this.#states[slot] === closed;
  }

  isDeparting(slot: number): boolean {
    return this.#states[slot] === departing;
  }

  /** True while some slot of this shard has not been opened. */
  get hasClosed(): boolean {
    return this.#closed > 0;
  }

  /** Slots that are another shard's: the index may still hold keys of them. */
  departing(): readonly number[] {
    return this.#notMine;
  }

  /** Closed slots that no shard hands over. */
  orphaned(): readonly number[] {
    return this.closed().filter((slot) => !this.#hasSource(slot));
  }

  closed(): readonly number[] {
    return this.#where((state) => state === closed);
  }

  /** The slots of this shard that have a source, by the source. */
  arriving(): ReadonlyMap<string, readonly number[]> {
    const bySource = new Map<string, number[]>();
    for (const slot of this.#where((state) => state === closed || state === served)) {
      if (!this.#hasSource(slot)) continue;
      const source = this.#slots.sourceOf(slot)!;
      const slots = bySource.get(source);
      if (slots === undefined) bySource.set(source, [slot]);
      else slots.push(slot);
    }
    return bySource;
  }

  /** All keys of the slot are listed: from now on it is served, in this epoch and in later ones. */
  open(slot: number): void {
    this.#openedSince[slot] = this.#slots.sinceOf(slot) + 1;
    if (!this.isClosed(slot)) return;
    this.#states[slot] = served;
    this.#closed -= 1;
  }

  counts(): SlotCounts {
    const count = (wanted: number): number => this.#where((state) => state === wanted).length;
    return { served: count(served), closed: this.#closed, departing: count(departing) };
  }

  #follow(slots: SlotMap): void {
    const before = this.#slots;
    this.#slots = slots;
    this.#closed = 0;
    for (let slot = 0; slot < slotCount; slot++) {
      const state = this.#stateOf(slot, before);
      this.#states[slot] = state;
      if (state === closed) this.#closed += 1;
    }
    this.#notMine = this.#where((state) => state === foreign || state === departing);
  }

  #stateOf(slot: number, before: SlotMap): number {
    const slots = this.#slots;
    const source = slots.sourceOf(slot);
    if (slots.ownerOf(slot) !== this.shard) return source === this.shard ? departing : foreign;
    if (this.#openedSince[slot] === slots.sinceOf(slot) + 1) return served;
    // Without a topology, at epoch 0, a process serves what it has; the first one takes nothing from it.
    const isSame = before.epoch === 0 || before.sinceOf(slot) === slots.sinceOf(slot);
    return !this.#hasSource(slot) && this.#states[slot] === served && isSame ? served : closed;
  }

  #hasSource(slot: number): boolean {
    const source = this.#slots.sourceOf(slot);
    return source !== undefined && source !== this.shard;
  }

  #where(matches: (state: number) => boolean): number[] {
    const found: number[] = [];
    for (const [slot, state] of this.#states.entries()) if (matches(state)) found.push(slot);
    return found;
  }
}
