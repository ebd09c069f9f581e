/**
 * The internal port of a process: the link, by which routers, shards and the operator reach it. Every process of a
 * cluster has one; what it answers there is the executor that it is given.
 */
import type { Executor } from '../commands/command.ts';
import { GrpcServer } from '../grpc/server.ts';
import { drainGraceMs } from '../limits.ts';
import { LinkServer, linkServerOptions } from '../link/server.ts';
import type { LiveSettings } from '../settings/live.ts';
import type { TopologyView } from '../topology/holder.ts';
import { listening } from './start.ts';

export class InternalPort {
  readonly link: LinkServer;
  readonly #live: LiveSettings;
  readonly #server = new GrpcServer(linkServerOptions);
  readonly #stopFollowing: () => void;

  /** `name` is what the process says hello with: the shard's, or the router's. */
  constructor(live: LiveSettings, name: string, executor: Executor, topology: TopologyView) {
    this.#live = live;
    this.link = new LinkServer({ shard: name, executor, epoch: () => topology.slots.epoch });
    this.link.register(this.#server);
    this.#stopFollowing = topology.onChange(() => this.link.greet());
  }

  /** Resolves with host:port. */
  listen(): Promise<string> {
    const { 'link.host': host, 'link.port': port } = this.#live.current;
    return listening('link', host, port, () => this.#server.listen(host, port));
  }

  /** Answers what it has begun, and nothing new. */
  async drain(): Promise<void> {
    this.#stopFollowing();
    await this.link.close(drainGraceMs);
  }

  async close(): Promise<void> {
    await this.#server.close(drainGraceMs);
  }
}
