/** For tests: shards with links on real sockets in this process, and a router before them. */
import type { Executor } from '../../commands/command.ts';
import { GrpcServer } from '../../grpc/server.ts';
import { LinkServer, type LinkServerOptions, linkServerOptions } from '../../link/server.ts';
import { OwnershipExecutor } from '../../shard/ownership.ts';
import { TopologyHolder } from '../../topology/holder.ts';
import { topology } from '../../topology/place.ts';
import type { TopologyShard } from '../../topology/topology.ts';
import type { AwayPolicy } from '../away.ts';
import { LinkSet, type LinkSetOptions } from '../../link/link-set.ts';
import { Router } from '../router.ts';
import { TestExecutor } from './test-executor.ts';

/** A link served at a port of this machine. */
export class ServedShard {
  readonly name: string;
  readonly port: number;
  readonly link: LinkServer;
  readonly #server: GrpcServer;

  private constructor(name: string, port: number, link: LinkServer, server: GrpcServer) {
    this.name = name;
    this.port = port;
    this.link = link;
    this.#server = server;
  }

  static async start(
    name: string,
    executor: Executor,
    port = 0,
    options: Partial<LinkServerOptions> = {},
  ): Promise<ServedShard> {
    const server = new GrpcServer(linkServerOptions);
    const link = new LinkServer({ shard: name, executor, epoch: () => 1, ...options });
    link.register(server);
    return new ServedShard(name, await server.listen('127.0.0.1', port), link, server);
  }

  get member(): TopologyShard {
    return { name: this.name, address: `127.0.0.1:${this.port}` };
  }

  /** As a process ends that is told to. */
  async stop(graceMs = 10_000): Promise<void> {
    await this.link.close(graceMs);
    await this.#server.close(graceMs);
  }

  /** The same shard again, at its port. */
  restart(executor: Executor): Promise<ServedShard> {
    return ServedShard.start(this.name, executor, this.port);
  }

  /** As a process ends that crashes: connections break. */
  async crash(): Promise<void> {
    await this.#server.close(0);
    await this.link.close(0);
  }
}

export interface ClusterOptions extends Partial<AwayPolicy> {
  readonly linkOptions?: LinkSetOptions;
  readonly server?: Partial<LinkServerOptions>;
}

export class Cluster {
  readonly executors: readonly TestExecutor[];
  /** What each shard runs by; a test may let one fall behind. */
  readonly shardTopologies: readonly TopologyHolder[];
  readonly topology: TopologyHolder;
  readonly links: LinkSet;
  readonly router: Router;
  readonly shards: ServedShard[];

  private constructor(
    executors: readonly TestExecutor[],
    shardTopologies: readonly TopologyHolder[],
    shards: ServedShard[],
    routerTopology: TopologyHolder,
    options: ClusterOptions,
  ) {
    this.executors = executors;
    this.shardTopologies = shardTopologies;
    this.shards = shards;
    this.topology = routerTopology;
    this.links = new LinkSet(routerTopology, options.linkOptions);
    this.router = new Router({ links: this.links, topology: routerTopology, ...options });
  }

  /** Shards `shard-0` and so on; the first `members` of them make up the first topology. */
  static async start(count: number, options: ClusterOptions = {}, members = count): Promise<Cluster> {
    const executors = Array.from({ length: count }, (_, number) => new TestExecutor(`shard-${number}`));
    const wrappers = executors.map((executor) => new LateExecutor(executor));
    const shards: ServedShard[] = [];
    for (const [number, wrapper] of wrappers.entries()) {
      shards.push(await ServedShard.start(`shard-${number}`, wrapper, 0, options.server));
    }
    const first = topology(
      undefined,
      shards.slice(0, members).map((shard) => shard.member),
    );
    const holders = shards.map(() => new TopologyHolder(first));
    for (const [number, wrapper] of wrappers.entries()) {
      wrapper.inner = new OwnershipExecutor(executors[number]!, holders[number]!, `shard-${number}`);
    }
    const cluster = new Cluster(executors, holders, shards, new TopologyHolder(first), options);
    if (!(await cluster.links.ready(10_000))) throw new Error('the links did not get ready');
    return cluster;
  }

  async stop(): Promise<void> {
    this.links.close();
    for (const shard of this.shards) await shard.crash();
    for (const executor of this.executors) executor.close();
  }
}

/** Ports are known only once shards listen, and the topology only then. */
class LateExecutor implements Executor {
  inner: Executor;

  constructor(inner: Executor) {
    this.inner = inner;
  }

  execute(...parameters: Parameters<Executor['execute']>): ReturnType<Executor['execute']> {
    return this.inner.execute(...parameters);
  }
}
