/**
 * The topology document: which shard owns which slot, since when, and what is on the move.
 *
 * A small JSON document that the operator (or a file) publishes, every process keeps, and every command's epoch refers
 * to. Slots are runs, so a document of three shards takes a few kilobytes. A slot maps to an ordered preference list
 * of shards: of length one until replication lands.
 */

export interface TopologyShard {
  /** Stable for the life of the shard, such as `shard-0`. */
  readonly name: string;
  /** host:port of the shard's internal listener (link). */
  readonly address: string;
}

export interface SlotRun {
  /** First and last slot, both included. */
  readonly from: number;
  readonly to: number;
  /** Names, the owner first. */
  readonly shards: readonly string[];
  /** The epoch at which this owner got these slots: older log records of them are not its own. */
  readonly since: number;
  /** The shard that still holds what has not arrived, while the run is on the move. */
  readonly source?: string;
  /** While on the move: the epoch at which the source had got these slots. What it holds is of no earlier epoch. */
  readonly sourceSince?: number;
}

export interface Topology {
  readonly version: 1;
  /** Grows by one with every change; the highest wins. */
  readonly epoch: number;
  readonly shards: readonly TopologyShard[];
  /** Cover 0 to 16383 without gap or overlap, in order. */
  readonly slots: readonly SlotRun[];
}
