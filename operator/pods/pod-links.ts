/**
 * The operator's links to the shards and routers of one cache: it asks how they are, tells them of topologies and
 * settings, and has them flush.
 *
 * Pods are reached by their address and not by name: a pod that was made anew is at its new address before DNS says so,
 * and routers have no names. The link's hello tells if somebody else answers there. Every question has a deadline and
 * none rejects: a pod that does not answer in time has no report, which is all that decisions need to know.
 *
 * Links stay open from one pass to the next while something moves, and are closed when the next look is far off: two
 * hundred idle caches must not cost two thousand connections.
 */
import { isIPv6 } from 'node:net';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { messageOf } from '../../errors.ts';
import type { DeadlineWheel } from '../../grpc/deadline-wheel.ts';
import { podReportTimeoutMs, topologyExchangeTimeoutMs } from '../../limits.ts';
import { ask } from '../../link/ask.ts';
import { ShardLink } from '../../link/shard-link.ts';
import type { ChannelTls } from '../../security/tls.ts';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import type { Topology } from '../../topology/topology.ts';
import { type LinkedReport, parseRouterReport, parseShardReport } from './report.ts';

/** A pod that may be asked. */
export interface LinkedPod {
  readonly name: string;
  readonly role: 'shard' | 'router';
  readonly ip: string;
  /** The name that its certificate must have, where links speak TLS: pods are dialled by address. */
  readonly host: string;
  /** Changes whenever the process starts again. */
  readonly process: string;
}

/** How links prove who they are; the same for all pods of a cache. A server name in `tls` stands for every pod's host. */
export interface LinkSecurity {
  readonly secret?: string | undefined;
  readonly tls?: ChannelTls | undefined;
}

export interface PodLinksOptions {
  readonly port: number;
  /** Shared by all links of the operator. */
  readonly deadlines: DeadlineWheel;
  readonly log: { debug(fields: object, message: string): void };
}

interface OpenLink {
  readonly pod: LinkedPod;
  readonly security: string;
  readonly link: ShardLink;
}

export class PodLinks {
  readonly #options: PodLinksOptions;
  readonly #links = new Map<string, OpenLink>();

  constructor(options: PodLinksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#links.size;
  }

  /** Opens links to these pods and closes all others. `securityId` changes with what `security` says. */
  follow(pods: readonly LinkedPod[], security: LinkSecurity, securityId: string): void {
    const wanted = new Map(pods.map((pod) => [pod.name, pod]));
    for (const [name, open] of this.#links) {
      const pod = wanted.get(name);
      const isSame = pod?.ip === open.pod.ip && pod.process === open.pod.process && open.security === securityId;
      if (isSame) continue;
      open.link.close();
      this.#links.delete(name);
    }
    const { port, deadlines } = this.#options;
    for (const pod of wanted.values()) {
      if (this.#links.has(pod.name)) continue;
      const address = `${isIPv6(pod.ip) ? `[${pod.ip}]` : pod.ip}:${port}`;
      const tls = security.tls && { ...security.tls, serverName: security.tls.serverName ?? pod.host };
      const link = new ShardLink({ secret: security.secret, tls, shard: pod.name, address, deadlines });
      this.#links.set(pod.name, { pod, security: securityId, link });
    }
  }

  /** What the followed pods say of themselves: those that answered in time, in no particular order. */
  async reports(): Promise<LinkedReport[]> {
    const answers = await Promise.all([...this.#links.values()].map((open) => this.#report(open)));
    return answers.flatMap((report) => report ?? []);
  }

  /** The topology that a process runs by; undefined if it does not say. */
  async topologyOf(name: string): Promise<Topology | undefined> {
    const reply = await this.#ask(name, 'TOPOLOGY.GET', [], podReportTimeoutMs);
    if (!Buffer.isBuffer(reply)) return undefined;
    try {
      return parseTopology(reply.toString('utf8'));
    } catch (error) {
      this.#options.log.debug({ name, error: messageOf(error) }, 'a process told a topology that is none');
      return undefined;
    }
  }

  /** Sends the topology to these processes. Answers who has it, or a newer one, on its disk now. */
  async push(topology: Topology, names: readonly string[]): Promise<string[]> {
    const json = Buffer.from(formatTopology(topology));
    const replies = await Promise.all(
      names.map(async (name) => {
        const reply = await this.#ask(name, 'TOPOLOGY.SET', [json], topologyExchangeTimeoutMs);
        if (!isFault(reply)) return [name];
        this.#options.log.debug({ name, epoch: topology.epoch, fault: reply.message }, 'a pod did not take a topology');
        return [];
      }),
    );
    return replies.flat();
  }

  /** Why the process did not flush; undefined once everything written before is on disk, or in Blob. */
  async flush(name: string, level: 'disk' | 'blob', timeoutMs: number): Promise<string | undefined> {
    return faultText(await this.#ask(name, 'FLUSH', [Buffer.from(level)], timeoutMs));
  }

  /** Changes settings of a running process. Answers why it did not take them. */
  async changeSettings(name: string, json: string): Promise<ReplyError | undefined> {
    const reply = await this.#ask(name, 'SETTINGS.SET', [Buffer.from(json)], podReportTimeoutMs);
    return isFault(reply) ? reply : undefined;
  }

  close(): void {
    for (const { link } of this.#links.values()) link.close();
    this.#links.clear();
  }

  async #report({ pod }: OpenLink): Promise<LinkedReport | undefined> {
    const { name, role, process } = pod;
    const reply = await this.#ask(name, role === 'shard' ? 'SHARDINFO' : 'ROUTERINFO', [], podReportTimeoutMs);
    if (!Buffer.isBuffer(reply)) {
      this.#options.log.debug({ name, fault: faultText(reply) }, 'a pod does not say how it is');
      return undefined;
    }
    const report = role === 'shard' ? parseShardReport(reply) : parseRouterReport(reply);
    return report && { ...report, name, process };
  }

  #ask(name: string, command: string, args: readonly Buffer[], timeoutMs: number): Promise<Reply> {
    const open = this.#links.get(name);
    if (open === undefined) return Promise.resolve(new ReplyError('UNAVAILABLE', `there is no link to ${name}`));
    return ask(open.link, command, args, { timeoutMs, epoch: undefined });
  }
}

function isFault(reply: Reply): reply is ReplyError {
  return reply instanceof ReplyError;
}

function faultText(reply: Reply): string | undefined {
  return isFault(reply) ? reply.message : undefined;
}
