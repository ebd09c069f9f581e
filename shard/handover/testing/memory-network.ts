/**
 * For tests: links without sockets, between shards and routers in one process. What a real link promises holds: commands
 * arrive in order, each gets one reply, whatever is in flight fails when the other end goes away, and memory is shared
 * with nobody. On top of that ends can be taken down and links cut at any moment.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Command, CommandContext, Executor, ReplySink } from '../../../commands/command.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import type { CommandLink, TopologyLink } from '../../../link/command-link.ts';
import type { LinkStatistics } from '../../../link/shard-link.ts';

/** What can be reached at an address. */
export interface NetworkNode {
  readonly shard: string;
  readonly executor: Executor;
  epoch(): number;
}

export class MemoryNetwork {
  readonly #nodes = new Map<string, NetworkNode>();
  readonly #links = new Set<MemoryLink>();
  readonly #cuts = new Set<string>();
  readonly #delayed = new Set<() => void>();
  /** What is answered in place of the node's own reply, if anything. */
  replyOf: (address: string, command: Command) => Reply | undefined = () => undefined;
  /** How long a command is on its way, in milliseconds. */
  delayOf: (command: string) => number = () => 0;

  /** The node answers from now on, until the returned function is called. */
  attach(address: string, node: NetworkNode): () => void {
    this.#nodes.set(address, node);
    this.#greet((link) => link.address === address);
    return () => {
      this.#nodes.delete(address);
      this.#fail((link) => link.address === address);
    };
  }

  /** The node's epoch has changed: it says so on every link. */
  greet(address: string): void {
    this.#greet((link) => link.address === address);
  }

  /** Nothing passes from one to the other until `heal`. */
  cut(from: string, address: string): void {
    this.#cuts.add(`${from}>${address}`);
    this.#fail((link) => link.from === from && link.address === address);
  }

  heal(): void {
    this.#cuts.clear();
    this.#greet(() => true);
  }

  open(from: string, shard: string, address: string, onEpoch: (link: MemoryLink) => void): MemoryLink {
    const link = new MemoryLink(this, from, shard, address, onEpoch);
    this.#links.add(link);
    setImmediate(() => link.greet());
    return link;
  }

  close(link: MemoryLink): void {
    this.#links.delete(link);
  }

  reach(from: string, address: string): NetworkNode | undefined {
    return this.#cuts.has(`${from}>${address}`) ? undefined : this.#nodes.get(address);
  }

  /** Resolves when the command has arrived. */
  async travel(command: string): Promise<void> {
    const delayMs = this.delayOf(command);
    if (delayMs === 0) return turn();
    await new Promise<void>((resolve) => {
      const arrive = (): void => {
        clearTimeout(timer);
        this.#delayed.delete(arrive);
        resolve();
      };
      const timer = setTimeout(arrive, delayMs);
      this.#delayed.add(arrive);
    });
  }

  /** Whatever is on its way arrives now, and nothing takes time any more. */
  hurry(): void {
    this.delayOf = () => 0;
    for (const arrive of this.#delayed) arrive();
  }

  #greet(matches: (link: MemoryLink) => boolean): void {
    for (const link of [...this.#links].filter(matches)) link.greet();
  }

  #fail(matches: (link: MemoryLink) => boolean): void {
    for (const link of [...this.#links].filter(matches)) link.fail('the other end went away');
  }
}

export class MemoryLink implements CommandLink, TopologyLink {
  readonly from: string;
  readonly shard: string;
  readonly address: string;
  readonly #network: MemoryNetwork;
  readonly #onEpoch: (link: MemoryLink) => void;
  readonly #pending = new Set<{ readonly sink: ReplySink; readonly token: number }>();
  #isClosed = false;

  constructor(
    network: MemoryNetwork,
    from: string,
    shard: string,
    address: string,
    onEpoch: (link: MemoryLink) => void,
  ) {
    this.#network = network;
    this.from = from;
    this.shard = shard;
    this.address = address;
    this.#onEpoch = onEpoch;
  }

  get state(): 'ready' | 'away' | 'closed' {
    if (this.#isClosed) return 'closed';
    return this.#network.reach(this.from, this.address) === undefined ? 'away' : 'ready';
  }

  get shardEpoch(): number | undefined {
    return this.#network.reach(this.from, this.address)?.epoch();
  }

  greet(): void {
    if (this.state === 'ready') this.#onEpoch(this);
  }

  submit(command: Command, context: CommandContext, epoch: number, sink: ReplySink, token: number): void {
    const node = this.#isClosed ? undefined : this.#network.reach(this.from, this.address);
    if (node === undefined) {
      sink.reply(token, new ReplyError('UNAVAILABLE', `shard ${this.shard} cannot be reached`));
      return;
    }
    const pending = { sink, token };
    this.#pending.add(pending);
    const copy = { name: command.name, args: command.args.map((argument) => Buffer.from(argument)) };
    const sent: CommandContext = {
      session: { door: 'link', peer: this.from, tenant: '' },
      deadlineMs: context.deadlineMs,
      acknowledgement: context.acknowledgement,
      epoch,
    };
    void this.#deliver(node, copy, sent, pending);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#network.close(this);
    this.fail('the link was closed');
  }

  fail(why: string): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const { sink, token } of pending) sink.reply(token, new ReplyError('UNAVAILABLE', `${this.shard}: ${why}`));
  }

  stats(): LinkStatistics {
    throw new Error('a link in memory counts nothing');
  }

  async #deliver(
    node: NetworkNode,
    command: Command,
    context: CommandContext,
    pending: { readonly sink: ReplySink; readonly token: number },
  ): Promise<void> {
    await this.#network.travel(command.name);
    if (!this.#pending.has(pending)) return;
    const forged = this.#network.replyOf(this.address, command);
    const reply = copyOf(forged ?? (await node.executor.execute(command, context)));
    await turn();
    if (this.#pending.delete(pending)) pending.sink.reply(pending.token, reply);
  }
}

function copyOf(reply: Reply): Reply {
  if (Buffer.isBuffer(reply)) return Buffer.from(reply);
  return Array.isArray(reply) ? reply.map(copyOf) : reply;
}
