/** What a keyspace is told of how it is to store and which slots are its own. */
import type { Acknowledgement } from '../../commands/command.ts';

export interface KeyspaceOptions {
  /** What a write waits for if its command does not say. */
  readonly acknowledgement: Acknowledgement;
  /** What every write waits for at least, whatever its command says. */
  readonly minimumAcknowledgement: Acknowledgement;
  /** Plain values above this keep no copy in RAM unless they are read often. */
  readonly diskThresholdBytes: number;
  /** What the index may take; beyond it keys are evicted. Absent: it has no bound. */
  readonly indexBytesMax?: number;
  /** The node of the vector clocks that are given here: the shard's name. */
  readonly nodeName?: string;
  /** Which slots are this shard's to serve now, where not all are. */
  readonly serving?: ServedSlots | undefined;
}

/** What the keyspace must know of slots that come and go. */
export interface ServedSlots {
  /** False: the slot is another shard's, or has not been opened here yet; nothing may be written into it. */
  serves(slot: number): boolean;
  /** Slots that the index holds and that are another shard's already: no scan or count may show their keys. */
  departing(): readonly number[];
}
