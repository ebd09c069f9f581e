/** For tests: real shards with their logs on disk, in this process, and a router before them; members come and go. */
import { writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { libraryContext } from '../../../commands/command.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { DeadlineWheel } from '../../../grpc/deadline-wheel.ts';
import { ask } from '../../../link/ask.ts';
import { LinkSet } from '../../../link/link-set.ts';
import { ShardLink } from '../../../link/shard-link.ts';
import { TopologyExchange } from '../../../link/topology-exchange.ts';
import type { Service } from '../../../process/serve.ts';
import { Router } from '../../../router/router.ts';
import { LiveSettings } from '../../../settings/live.ts';
import { loadSettings } from '../../../settings/load.ts';
import { temporaryFolder } from '../../../testing/store.ts';
import { nextStep } from '../../../topology/change.ts';
import { formatTopology } from '../../../topology/document.ts';
import { TopologyHolder } from '../../../topology/holder.ts';
import { topology } from '../../../topology/place.ts';
import type { Topology, TopologyShard } from '../../../topology/topology.ts';
import type { ShardInfo } from '../../info.ts';
import { startShard } from '../../main.ts';

interface Member extends TopologyShard {
  readonly dataPath: string;
  service: Service | undefined;
}

/** From a shard's link to its RESP door. */
const respDistance = 1;

export class HandoverCluster {
  readonly topology: TopologyHolder;
  readonly router: Router;
  readonly members: readonly Member[];
  readonly #folder: ReturnType<typeof temporaryFolder>;
  readonly #links: LinkSet;
  readonly #exchange: TopologyExchange;
  readonly #deadlines = new DeadlineWheel();
  readonly #settings: Readonly<Record<string, string>>;

  private constructor(
    members: readonly Member[],
    first: Topology,
    folder: ReturnType<typeof temporaryFolder>,
    settings: Readonly<Record<string, string>>,
  ) {
    this.members = members;
    this.topology = new TopologyHolder(first);
    this.#folder = folder;
    this.#settings = settings;
    this.#exchange = new TopologyExchange(this.topology, () => undefined);
    this.#links = new LinkSet(this.topology, { onEpoch: (link) => this.#exchange.onEpoch(link) });
    this.router = new Router({ links: this.#links, topology: this.topology, unavailableReads: 'error' });
  }

  /** `count` shards run; the first topology has `members` of them. */
  static async start(
    count: number,
    members: number,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<HandoverCluster> {
    const folder = temporaryFolder('handover');
    const all: Member[] = [];
    for (let number = 0; number < count; number++) {
      const name = `shard-${number}`;
      all.push({
        name,
        address: `127.0.0.1:${await freePort()}`,
        dataPath: join(folder.path, name),
        service: undefined,
      });
    }
    const first = topology(undefined, all.slice(0, members));
    const cluster = new HandoverCluster(all, first, folder, settings);
    for (const number of all.keys()) await cluster.startShard(number);
    await cluster.linked();
    return cluster;
  }

  async startShard(number: number, known = this.topology.slots.topology): Promise<void> {
    const member = this.members[number]!;
    const topologyPath = join(this.#folder.path, `${member.name}-topology.json`);
    writeFileSync(topologyPath, formatTopology(known));
    const flags = {
      'shard-name': member.name,
      'data-path': member.dataPath,
      'topology-path': topologyPath,
      'link-host': '127.0.0.1',
      'link-port': member.address.split(':')[1]!,
      'grpc-host': '127.0.0.1',
      'grpc-port': '0',
      'http-host': '127.0.0.1',
      'http-port': '0',
      'tcp-enabled': 'false',
      'resp-host': '127.0.0.1',
      'resp-port': String(Number(member.address.split(':')[1]) + respDistance),
      'disk-size': '256MiB',
      ...this.#settings,
    };
    const live = new LiveSettings(loadSettings({ role: 'shard', flags, environment: {} }), 'shard');
    member.service = await startShard(live, pino({ level: 'silent' }));
  }

  /** Resolves when the router reaches every shard of the topology. */
  async linked(): Promise<void> {
    if (!(await this.#links.ready(10_000))) throw new Error('the links did not get ready');
  }

  respPort(number: number): number {
    return Number(this.members[number]!.address.split(':')[1]) + respDistance;
  }

  async stopShard(number: number): Promise<void> {
    const member = this.members[number]!;
    await member.service?.stop();
    member.service = undefined;
  }

  /** One command through the router. */
  async do(name: string, ...args: readonly (string | Buffer)[]): Promise<Reply> {
    const command = { name, args: args.map((argument) => Buffer.from(argument)) };
    return this.router.execute(command, libraryContext(20_000));
  }

  async info(number: number): Promise<ShardInfo> {
    return JSON.parse(((await this.#ask(number, 'SHARDINFO')) as Buffer).toString()) as ShardInfo;
  }

  /** Over the internal port of a shard. */
  async #ask(number: number, name: string, ...args: readonly string[]): Promise<Reply> {
    const { name: shard, address } = this.members[number]!;
    const link = new ShardLink({ shard, address, deadlines: this.#deadlines });
    const options = { timeoutMs: 10_000, epoch: this.topology.slots.epoch };
    const buffers = args.map((argument) => Buffer.from(argument));
    const reply = await ask(link, name, buffers, options);
    link.close();
    if (reply instanceof ReplyError) throw new Error(reply.message);
    return reply;
  }

  /** Publishes what `nextStep` says until the first `count` shards are the members and nothing moves. */
  async scale(count: number, onStep?: (epoch: number) => Promise<void> | void): Promise<void> {
    for (;;) {
      const infos = await Promise.all(this.members.keys().map((number) => this.info(number)));
      const step = nextStep({
        current: this.topology.slots.topology,
        members: this.members.slice(0, count),
        shards: infos.map(({ name, epoch, handover }) => ({ name, epoch, hasArrived: handover.hasArrived })),
        routers: [],
      });
      if (step.kind === 'steady') return;
      if (step.kind === 'publish') {
        this.topology.offer(step.topology);
        // Shards that leave have no link to the router any more, which would tell them.
        const document = formatTopology(step.topology);
        await Promise.all(this.members.keys().map((number) => this.#ask(number, 'TOPOLOGY.SET', document)));
        await onStep?.(step.topology.epoch);
      } else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    this.#exchange.close();
    this.#links.close();
    for (const { service } of this.members) await service?.stop();
    this.#folder.remove();
  }
}

/** A free port for a link, with a free one beside it for RESP. */
async function freePort(): Promise<number> {
  for (;;) {
    const link = await listening(0);
    const { port } = link!.address() as AddressInfo;
    const resp = await listening(port + respDistance);
    await closed(link!);
    if (resp === undefined) continue;
    await closed(resp);
    return port;
  }
}

async function listening(port: number): Promise<net.Server | undefined> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function closed(server: net.Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve));
}
