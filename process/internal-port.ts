/**
 * The internal port of a process: the link, by which routers, shards and the operator reach it. Every process of a
 * cluster has one; what it answers there is the executor that it is given.
 */
import type { Executor } from '../commands/command.ts';
import { GrpcServer } from '../grpc/server.ts';
import { drainGraceMs } from '../limits.ts';
import { LinkServer, linkServerOptions } from '../link/server.ts';
import type { ReceiveMemory } from '../receive-memory.ts';
import type { SecurityFigures } from '../security/figures.ts';
import type { LinkSecurity } from '../security/link-security.ts';
import type { LiveSettings } from '../settings/live.ts';
import type { TopologyView } from '../topology/holder.ts';
import { listening } from './start.ts';

export interface InternalPortParts {
  readonly live: LiveSettings;
  /** What the process says hello with: the shard's, or the router's. */
  readonly name: string;
  readonly executor: Executor;
  readonly topology: TopologyView;
  readonly security: LinkSecurity;
  readonly figures: SecurityFigures;
  /** For large values; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
}

export class InternalPort {
  readonly link: LinkServer;
  readonly #live: LiveSettings;
  readonly #server: GrpcServer;
  readonly #stopFollowing: () => void;

  constructor({ live, name, executor, topology, security, figures, memory }: InternalPortParts) {
    this.#live = live;
    const { refusals } = figures;
    figures.addCertificate('link', security.certificateExpirySeconds);
    this.#server = new GrpcServer({
      ...linkServerOptions,
      tls: security.tls,
      onHandshakeFault: (fault) => refusals.add('link', fault),
    });
    this.link = new LinkServer({
      shard: name,
      executor,
      memory,
      epoch: () => topology.slots.epoch,
      secrets: security.secrets,
      onRefused: (reason) => refusals.add('link', reason),
    });
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
