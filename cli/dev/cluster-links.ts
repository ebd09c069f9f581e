/**
 * The supervisor's links to its shards and its router: it asks how far they are, and tells them of topologies.
 *
 * They are open only while there is something to ask for, so a cluster that rests is asked nothing.
 */
import { ReplyError } from '../../commands/reply.ts';
import type { Reply } from '../../commands/reply.ts';
import { KvcacheError } from '../../errors.ts';
import { DeadlineWheel } from '../../grpc/deadline-wheel.ts';
import { scaleReportTimeoutMs } from '../../limits.ts';
import { ask } from '../../link/ask.ts';
import { ShardLink } from '../../link/shard-link.ts';
import type { RouterInfo } from '../../router/info.ts';
import type { LinkSecurity } from '../../security/link-security.ts';
import type { ShardInfo } from '../../shard/info.ts';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import type { Topology } from '../../topology/topology.ts';

/** A process that has an internal port. */
export interface LinkedProcess {
  readonly role: 'shard' | 'router';
  readonly name: string;
  /** host:port of its internal port. */
  readonly address: string;
}

/** What the processes said that answered in time. */
export interface ClusterReport {
  readonly shards: readonly ShardInfo[];
  readonly routers: readonly RouterInfo[];
}

interface OpenLink {
  readonly role: LinkedProcess['role'];
  readonly link: ShardLink;
}

export class ClusterLinks {
  readonly #deadlines = new DeadlineWheel();
  readonly #links = new Map<string, OpenLink>();
  readonly #security: Partial<LinkSecurity['client']>;

  /** `security` is what the processes ask for, if anything. */
  constructor(security: Partial<LinkSecurity['client']> = {}) {
    this.#security = security;
  }

  /** Asks all of these processes. Never rejects: one that does not answer has no report. */
  async report(processes: readonly LinkedProcess[]): Promise<ClusterReport> {
    this.#follow(processes);
    const shards: ShardInfo[] = [];
    const routers: RouterInfo[] = [];
    await Promise.all(
      [...this.#links.values()].map(async ({ role, link }) => {
        const reply = await this.#ask(link, role === 'shard' ? 'SHARDINFO' : 'ROUTERINFO');
        if (!Buffer.isBuffer(reply)) return;
        const info = JSON.parse(reply.toString('utf8')) as ShardInfo & RouterInfo;
        if (role === 'shard') shards.push(info);
        else routers.push(info);
      }),
    );
    return { shards, routers };
  }

  /** Tells everybody of a topology. Whoever does not hear of it finds it in its file. */
  async push(topology: Topology): Promise<void> {
    const json = Buffer.from(formatTopology(topology));
    await Promise.all([...this.#links.values()].map(({ link }) => this.#ask(link, 'TOPOLOGY.SET', [json])));
  }

  /** The topology that a process runs by. Rejects with a KvcacheError if it does not say. */
  async topologyOf(name: string): Promise<Topology> {
    const open = this.#links.get(name);
    if (open === undefined) throw new KvcacheError('UNAVAILABLE', `there is no link to ${name}`);
    const reply = await this.#ask(open.link, 'TOPOLOGY.GET');
    if (Buffer.isBuffer(reply)) return parseTopology(reply.toString('utf8'));
    throw reply instanceof ReplyError
      ? new KvcacheError(reply.code, `${name} does not tell its topology: ${reply.message}`)
      : new KvcacheError('ERR', `${name} answered TOPOLOGY.GET with something else than a topology`);
  }

  close(): void {
    for (const { link } of this.#links.values()) link.close();
    this.#links.clear();
  }

  #follow(processes: readonly LinkedProcess[]): void {
    const wanted = new Map(processes.map((item) => [item.name, item]));
    for (const [name, { link }] of this.#links) {
      if (wanted.get(name)?.address === link.address) continue;
      link.close();
      this.#links.delete(name);
    }
    for (const { role, name, address } of wanted.values()) {
      if (this.#links.has(name)) continue;
      const link = new ShardLink({ ...this.#security, shard: name, address, deadlines: this.#deadlines });
      this.#links.set(name, { role, link });
    }
  }

  #ask(link: ShardLink, command: string, args: readonly Buffer[] = []): Promise<Reply> {
    return ask(link, command, args, { timeoutMs: scaleReportTimeoutMs, epoch: undefined });
  }
}
