/**
 * The links to the shards that hand slots over to this one: opened when something is asked of them, closed when the
 * topology names them as a source no longer.
 */
import { ReplyError, type Reply } from '../../commands/reply.ts';
import { KvcacheError } from '../../errors.ts';
import { handoverBytesPerSecondMin, handoverTimeoutMs } from '../../limits.ts';
import { ask } from '../../link/ask.ts';
import type { CommandLink } from '../../link/command-link.ts';
import type { TopologyView } from '../../topology/holder.ts';

export type OpenLink = (shard: string, address: string) => CommandLink;

/** The fault that a source answered with: UNAVAILABLE where it is ending, for its SHUTDOWN and FENCED are not this shard's. */
export function faultOfSource({ code, message }: ReplyError): KvcacheError {
  const isEnding = code === 'SHUTDOWN' || code === 'FENCED';
  return new KvcacheError(isEnding ? 'UNAVAILABLE' : code, message);
}

export class SourceLinks {
  readonly #topology: TopologyView;
  readonly #open: OpenLink;
  readonly #links = new Map<string, CommandLink>();

  constructor(topology: TopologyView, open: OpenLink) {
    this.#topology = topology;
    this.#open = open;
  }

  /** Sends a command to the shard, whose reply may have about so many bytes. Rejects with its error as a KvcacheError. */
  async ask(source: string, name: string, args: readonly Buffer[], bytes = 0): Promise<Reply> {
    const { epoch } = this.#topology.slots;
    const timeoutMs = handoverTimeoutMs + (bytes / handoverBytesPerSecondMin) * 1_000;
    const reply = await ask(this.#linkTo(source), name, args, { timeoutMs, epoch });
    if (reply instanceof ReplyError) throw faultOfSource(reply);
    return reply;
  }

  /** Closes links to all but these shards. */
  keep(sources: ReadonlySet<string>): void {
    for (const [source, link] of this.#links) {
      if (sources.has(source)) continue;
      link.close();
      this.#links.delete(source);
    }
  }

  #linkTo(source: string): CommandLink {
    const listed = this.#topology.slots.topology.shards.find(({ name }) => name === source);
    if (listed === undefined) throw new KvcacheError('UNAVAILABLE', `shard ${source} is in no topology any more`);
    const known = this.#links.get(source);
    if (known?.address === listed.address) return known;
    known?.close();
    const link = this.#open(source, listed.address);
    this.#links.set(source, link);
    return link;
  }
}
