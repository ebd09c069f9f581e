/**
 * The shards as Redis' clients see them: nodes of a cluster, each with the address of its RESP door.
 *
 * A topology has the addresses of links, which say where each shard is. Its RESP door is on the same host, and as far
 * from its link's port as this shard's own: the rule by which a local cluster lays out its ports (doors and links count
 * up side by side), and by which the pods of a cluster, which all have the same ports, find each other without being told.
 *
 *   shard-0   link 10.0.0.5:7051   RESP 6379
 *   shard-1   link 10.0.0.6:7051   → RESP 10.0.0.6:6379
 *
 * Rejected: addresses of RESP doors in the topology, or told along links. Both would be one more thing that can be behind
 * or contradict, and shards have no links to one another but while slots move.
 */
import type { ClusterNode, ClusterNodes, LocalAddress } from '../doors/resp/cluster-nodes.ts';
import { nodeIdOf } from '../doors/resp/cluster-nodes.ts';
import { slotCount } from '../limits.ts';
import type { SlotMap } from '../topology/slot-map.ts';

/** Addresses that say only that a process listens everywhere. */
const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);
const portMax = 65_535;

interface Place {
  readonly host: string;
  readonly port: number;
}

export class ShardNodes implements ClusterNodes {
  readonly isEnabled = true;
  readonly #slots: () => SlotMap;
  readonly #name: string;
  /** Of the topology that they were made from. */
  #runsOf: SlotMap | undefined;
  #runs = new Map<string, (readonly [number, number])[]>();

  constructor(slots: () => SlotMap, name: string) {
    this.#slots = slots;
    this.#name = name;
  }

  get epoch(): number {
    return this.#slots().epoch;
  }

  nodes(local: LocalAddress): readonly ClusterNode[] {
    const slots = this.#slots();
    // A shard without slots is asked who it is, too.
    return [...new Set([...slots.owners(), this.#name])].map((name) => this.#node(name, slots, local));
  }

  ownerOf(slot: number, local: LocalAddress): ClusterNode {
    const slots = this.#slots();
    return this.#node(slots.ownerOf(slot), slots, local);
  }

  #node(name: string, slots: SlotMap, local: LocalAddress): ClusterNode {
    const isSelf = name === this.#name;
    const own = this.#linkOf(this.#name, slots);
    const link = this.#linkOf(name, slots);
    // A shard that the topology does not list knows no distance, and takes the ports of all for the same.
    const port = link === undefined || own === undefined || isSelf ? local.port : link.port + local.port - own.port;
    // By `local` whoever asks has reached this shard: good for itself, and where nothing better is known.
    const host = link === undefined || wildcards.has(link.host) ? local.host : link.host;
    return {
      id: nodeIdOf(name),
      name,
      host,
      port: port > 0 && port <= portMax ? port : local.port,
      isSelf,
      slots: this.#runsFor(slots).get(name) ?? [],
    };
  }

  #linkOf(name: string, slots: SlotMap): Place | undefined {
    const address = slots.topology.shards.find((shard) => shard.name === name)?.address;
    if (address === undefined) return undefined;
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon);
    const port = Number(address.slice(colon + 1));
    return { host: wildcards.has(host) ? host : host.replaceAll(/[[\]]/g, ''), port };
  }

  #runsFor(slots: SlotMap): ReadonlyMap<string, readonly (readonly [number, number])[]> {
    if (this.#runsOf === slots) return this.#runs;
    const runs = new Map<string, (readonly [number, number])[]>();
    let from = 0;
    for (let slot = 1; slot <= slotCount; slot++) {
      const owner = slots.ownerOf(from);
      if (slot < slotCount && slots.ownerOf(slot) === owner) continue;
      const owned = runs.get(owner) ?? [];
      owned.push([from, slot - 1]);
      runs.set(owner, owned);
      from = slot;
    }
    this.#runsOf = slots;
    this.#runs = runs;
    return runs;
  }
}
