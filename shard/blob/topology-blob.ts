/**
 * The shard's copy of the topology in Blob, beside its manifest: what says whose its slots were when the disk, and
 * whoever published the topology, are gone. A topology is never computed from nothing while data exists, and data may
 * exist in Blob alone.
 *
 * Written whenever the epoch grows, only over a lower one. Read at the start by a shard whose disk has no copy.
 */
import { messageOf } from '../../errors.ts';
import { takeoverRetryDelayMs, topologyBytesMax } from '../../limits.ts';
import { formatTopology, parseTopology } from '../../topology/document.ts';
import type { TopologyView } from '../../topology/holder.ts';
import type { Topology } from '../../topology/topology.ts';
import type { BlobStore, Condition } from './blob-store.ts';

const topologyName = 'topology.json';

export interface TopologyBlobLogger {
  warn(fields: object, message: string): void;
}

interface Found {
  readonly topology: Topology | undefined;
  readonly condition: Condition;
}

export class TopologyBlob {
  readonly #store: BlobStore;
  readonly #logger: TopologyBlobLogger;
  #writing: Promise<void> = Promise.resolve();
  #writtenEpoch = 0;
  #retry: NodeJS.Timeout | undefined;
  #stop: () => void = () => undefined;

  constructor(store: BlobStore, logger: TopologyBlobLogger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Undefined where there is none, where it is damaged, or where Blob does not answer: the last two are logged. */
  async read(): Promise<Topology | undefined> {
    return (await this.#find())?.topology;
  }

  /** Keeps the copy as new as the topology in force, until `close`. */
  follow(topology: TopologyView): void {
    const write = (): void => {
      clearTimeout(this.#retry);
      this.#writing = this.#writing.then(() => this.#write(topology.slots.topology, write));
    };
    this.#stop = topology.onChange(write);
    write();
  }

  async close(): Promise<void> {
    this.#stop();
    clearTimeout(this.#retry);
    await this.#writing;
    clearTimeout(this.#retry);
  }

  async #write(topology: Topology, again: () => void): Promise<void> {
    if (topology.epoch <= this.#writtenEpoch) return;
    const found = await this.#find();
    const isNewer = found !== undefined && topology.epoch > (found.topology?.epoch ?? 0);
    if (found !== undefined && !isNewer) {
      this.#writtenEpoch = topology.epoch;
      return;
    }
    const body = Buffer.from(formatTopology(topology));
    const written = found && (await this.#store.putDocument(topologyName, body, found.condition));
    if (written?.kind === 'done') this.#writtenEpoch = topology.epoch;
    else this.#retry = setTimeout(again, takeoverRetryDelayMs).unref();
  }

  /** Undefined: Blob does not answer. */
  async #find(): Promise<Found | undefined> {
    const outcome = await this.#store.readDocument(topologyName, topologyBytesMax);
    if (outcome.kind === 'notFound') return { topology: undefined, condition: { absent: true } };
    // On the first start of all, the container is made only a moment later.
    if (outcome.kind === 'containerMissing') return undefined;
    if (outcome.kind !== 'done') {
      this.#logger.warn({ reason: outcome.message }, 'the topology’s copy in Blob cannot be read now');
      return undefined;
    }
    const { body, etag } = outcome.value;
    try {
      return { topology: parseTopology(body.toString('utf8')), condition: { ifMatch: etag } };
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, 'the topology’s copy in Blob is damaged');
      return { topology: undefined, condition: { ifMatch: etag } };
    }
  }
}
