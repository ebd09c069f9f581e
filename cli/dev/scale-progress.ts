/**
 * How far a change of the number of shards has come, in figures that people and programs can follow.
 *
 * Slots open first (their keys are listed at their new owner) and their values follow, so a fraction counts both: a
 * slot that is open and whose values have come is whole. What shards count begins with their process, and one may be
 * killed in the middle: bytes are summed up from one look to the next.
 */
import { isMoving } from '../../topology/place.ts';
import type { Topology } from '../../topology/topology.ts';
import type { ShardInfo } from '../../shard/info.ts';

export type ScalePhase =
  /** New shards start, or processes are waited for that are away. */
  | 'preparing'
  /** Slots and what is in them are on their way. */
  | 'moving'
  /** Everything has arrived; the last topology is taken by all processes, and shards that left end. */
  | 'finishing'
  | 'steady';

export interface ScaleProgress {
  /** The number of shards that is wanted. */
  readonly shards: number;
  readonly phase: ScalePhase;
  readonly epoch: number;
  /** From 0 to 1, of the values that move in this epoch. */
  readonly fraction: number;
  /** Slots on the move in this epoch, and those of them that are served by their new owner. */
  readonly slotsMoving: number;
  readonly slotsOpen: number;
  /** Of the open slots: what has not come yet. */
  readonly keysLeft: number;
  readonly bytesLeft: number;
  /** What has come in this epoch, as far as it was seen. */
  readonly bytesMoved: number;
  /** The processes that are waited for, and why, if any. */
  readonly waiting: ScaleWait | undefined;
}

export interface ScaleWait {
  readonly reason: 'starting' | 'unreported' | 'behind' | 'moving' | 'leaving';
  readonly names: readonly string[];
}

type Figures = Pick<ScaleProgress, 'slotsMoving' | 'slotsOpen' | 'keysLeft' | 'bytesLeft' | 'bytesMoved' | 'fraction'>;

/** Share of the fraction that a slot counts once its keys are listed. */
const listedShare = 0.2;

export class MoveMeter {
  #epoch = 0;
  #bytesMoved = 0;
  #fraction = 0;
  /** What each shard had counted when it was last seen. */
  readonly #seen = new Map<string, { readonly pid: number; readonly bytes: number }>();

  /** The figures of the topology in force, from what its shards report. */
  read(current: Topology, infos: readonly ShardInfo[]): Figures {
    if (this.#epoch !== current.epoch) {
      this.#epoch = current.epoch;
      this.#bytesMoved = 0;
      this.#fraction = 0;
    }
    const slotsMoving = movingSlotsOf(current);
    let slotsOpen = 0;
    let keysLeft = 0;
    let bytesLeft = 0;
    for (const { name, pid, epoch, handover } of infos) {
      this.#count(name, pid, handover.bytesMoved);
      if (epoch !== current.epoch) continue;
      slotsOpen += handover.slotsOpen;
      keysLeft += handover.keysLeft;
      bytesLeft += handover.bytesLeft;
    }
    const bytesMoved = this.#bytesMoved;
    const openShare = slotsMoving === 0 ? 1 : slotsOpen / slotsMoving;
    const movedShare = bytesLeft === 0 ? 1 : bytesMoved / (bytesMoved + bytesLeft);
    // While slots open, what is left to move grows: the fraction waits then and does not go back.
    this.#fraction = Math.max(this.#fraction, openShare * (listedShare + (1 - listedShare) * movedShare));
    return { slotsMoving, slotsOpen, keysLeft, bytesLeft, bytesMoved, fraction: this.#fraction };
  }

  /** What came before a shard was first seen is of an earlier change. */
  #count(name: string, pid: number, bytes: number): void {
    const seen = this.#seen.get(name);
    const before = seen?.pid === pid ? seen.bytes : seen === undefined ? bytes : 0;
    this.#bytesMoved += bytes - before;
    this.#seen.set(name, { pid, bytes });
  }
}

function movingSlotsOf(current: Topology): number {
  if (!isMoving(current)) return 0;
  return current.slots.reduce((sum, { from, to, source }) => sum + (source === undefined ? 0 : to - from + 1), 0);
}
