/**
 * Topologies travel along links, so that a change is everywhere within a round trip and not when each process has seen
 * its file. A shard says its epoch with every hello; whoever is behind, at either end, gets the newer document.
 *
 *   TOPOLOGY.GET         → bytes: the document in force
 *   TOPOLOGY.SET json    → OK once the document, or a newer one, is in force and on this process's disk
 */
import { OK, ReplyError } from '../commands/reply.ts';
import { messageOf } from '../errors.ts';
import { topologyExchangeTimeoutMs } from '../limits.ts';
import { formatTopology, parseTopology } from '../topology/document.ts';
import type { TopologyView } from '../topology/holder.ts';
import type { Topology } from '../topology/topology.ts';
import { ask } from './ask.ts';
import type { TopologyLink } from './command-link.ts';
import type { InternalCommands } from './internal-executor.ts';

export interface OfferedTopology extends TopologyView {
  /** Takes a topology with a higher epoch; whether it did. */
  offer(topology: Topology): boolean;
}

export interface KeptTopology extends OfferedTopology {
  /** Resolves when the topology in force is on this process's disk; rejects if it cannot be written. */
  persisted(): Promise<void>;
}

/** The serving side. */
export function topologyCommands(topology: KeptTopology): InternalCommands {
  return {
    'TOPOLOGY.GET': { arguments: 0, run: () => Buffer.from(formatTopology(topology.slots.topology)) },
    'TOPOLOGY.SET': {
      arguments: 1,
      run: async ([json]) => {
        topology.offer(parseTopology(json!.toString('utf8')));
        await topology.persisted();
        return OK;
      },
    },
  };
}

/** The asking side: one for all links of a process. */
export class TopologyExchange {
  readonly #topology: OfferedTopology;
  readonly #onFault: (shard: string, message: string) => void;
  readonly #underWay = new WeakSet<TopologyLink>();
  readonly #links = new Set<TopologyLink>();
  readonly #stop: () => void;

  constructor(topology: OfferedTopology, onFault: (shard: string, message: string) => void) {
    this.#topology = topology;
    this.#onFault = onFault;
    this.#stop = topology.onChange(() => {
      for (const link of this.#links) this.onEpoch(link);
    });
  }

  /** The shard behind the link has said which epoch it runs. */
  onEpoch(link: TopologyLink): void {
    this.#links.add(link);
    if (link.state === 'closed') this.#links.delete(link);
    if (this.#underWay.has(link) || link.state !== 'ready') return;
    const { shardEpoch } = link;
    const { epoch } = this.#topology.slots;
    if (shardEpoch === undefined || shardEpoch === epoch) return;
    this.#underWay.add(link);
    const exchange = shardEpoch > epoch ? this.#take(link) : this.#give(link);
    void exchange
      .catch((error: unknown) => this.#onFault(link.shard, messageOf(error)))
      .finally(() => this.#underWay.delete(link));
  }

  close(): void {
    this.#stop();
    this.#links.clear();
  }

  async #take(link: TopologyLink): Promise<void> {
    const reply = await this.#ask(link, 'TOPOLOGY.GET', []);
    if (Buffer.isBuffer(reply)) this.#topology.offer(parseTopology(reply.toString('utf8')));
    else this.#report(link, reply);
  }

  async #give(link: TopologyLink): Promise<void> {
    const json = Buffer.from(formatTopology(this.#topology.slots.topology));
    this.#report(link, await this.#ask(link, 'TOPOLOGY.SET', [json]));
  }

  #ask(link: TopologyLink, name: string, args: readonly Buffer[]): ReturnType<typeof ask> {
    return ask(link, name, args, { timeoutMs: topologyExchangeTimeoutMs, epoch: this.#topology.slots.epoch });
  }

  /** A shard that goes away meanwhile will say its epoch again when it is back. */
  #report(link: TopologyLink, reply: unknown): void {
    if (reply instanceof ReplyError && reply.code !== 'UNAVAILABLE') this.#onFault(link.shard, reply.message);
  }
}
