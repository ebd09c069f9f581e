/**
 * A cluster as Redis' clients see it: who serves which slots, and where.
 *
 * Shards are the nodes of a cluster; each names the others with the addresses of their own RESP doors
 * (shard/resp-cluster.ts). A router answers for all slots itself, so it is a cluster of one node to clients that insist
 * on one, and calls itself standalone to all others: it splits commands over slots as no cluster does.
 */
import { createHash } from 'node:crypto';
import { slotCount } from '../../limits.ts';

export interface ClusterNode {
  /** Forty hexadecimal digits, the same for the life of the shard. */
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly isSelf: boolean;
  /** Runs of slots, first and last included, in order. */
  readonly slots: readonly (readonly [from: number, to: number])[];
}

/** The address by which a client has reached this process. */
export interface LocalAddress {
  readonly host: string;
  readonly port: number;
}

export interface ClusterNodes {
  /** Whether this process is one node among others, and says MOVED. */
  readonly isEnabled: boolean;
  readonly epoch: number;
  /** Those that own slots. */
  nodes(local: LocalAddress): readonly ClusterNode[];
  /** The owner of a slot. */
  ownerOf(slot: number, local: LocalAddress): ClusterNode;
}

/** As long as Redis' own ids, and from nothing but the name: every shard finds the same for all. */
export function nodeIdOf(name: string): string {
  return createHash('sha1').update(`kvcache node ${name}`).digest('hex');
}

/** What a router is: one node, reached where the client reached it. */
export class SingleNode implements ClusterNodes {
  readonly isEnabled = false;
  readonly epoch = 1;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  nodes({ host, port }: LocalAddress): readonly ClusterNode[] {
    const name = this.#name;
    return [{ id: nodeIdOf(name), name, host, port, isSelf: true, slots: [[0, slotCount - 1]] }];
  }

  ownerOf(_slot: number, local: LocalAddress): ClusterNode {
    return this.nodes(local)[0]!;
  }
}
