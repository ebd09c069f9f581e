/**
 * Where a process gets its topology from: a file that someone else writes (an operator's ConfigMap, `kvcache dev`, a
 * person), its own copy in the data directory, and documents pushed to it.
 *
 * The highest epoch wins. What won is copied to the data directory by writing beside and renaming, so a process that
 * starts again while the file is missing or broken goes on as before. A file that cannot be read, does not parse, or
 * goes back in epochs is reported once for every content it has and otherwise ignored: the process keeps running by what
 * it has.
 *
 * The file is looked at again when its directory reports an event (a ConfigMap is replaced by moving a symbolic link
 * inside it) and once a second besides, because network and overlay file systems report none.
 */
import { EventEmitter } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { replaceFile } from '../durable-file.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { topologyPollIntervalMs } from '../limits.ts';
import { formatTopology, parseTopology } from './document.ts';
import { TopologyHolder, type TopologyView } from './holder.ts';
import type { SlotMap } from './slot-map.ts';
import type { Topology } from './topology.ts';

export interface TopologySourceOptions {
  /** The file to follow; undefined where there is none. */
  readonly file?: string | undefined;
  /** Where the process keeps its own copy, such as `<data>/topology.json`; undefined to keep none. */
  readonly copy?: string | undefined;
  /** What to run by while neither file nor copy says anything (see `singleShardTopology`). */
  readonly fallback?: Topology | undefined;
  readonly pollIntervalMs?: number;
}

/** Why a document was not taken, for the log. */
export interface TopologyFault {
  readonly path: string;
  readonly message: string;
}

interface TopologySourceEvents {
  change: [SlotMap];
  fault: [TopologyFault];
}

export class TopologySource extends EventEmitter<TopologySourceEvents> implements TopologyView {
  readonly #options: TopologySourceOptions;
  readonly #holder: TopologyHolder;
  /** This process had a copy of its own on its disk when it started. */
  readonly hadCopy: boolean;
  readonly #poll: NodeJS.Timeout | undefined;
  #watcher: FSWatcher | undefined;
  /** The last content of the file that was looked at; the same content is not reported twice. */
  #seen: string | undefined;
  #look: Promise<void> = Promise.resolve();
  #copied: Promise<unknown> = Promise.resolve();
  /** The epoch of the copy on the disk. */
  #copiedEpoch = -1;

  private constructor(options: TopologySourceOptions, first: Topology, hadCopy: boolean) {
    super();
    this.hadCopy = hadCopy;
    this.#options = options;
    this.#holder = new TopologyHolder(first);
    if (options.file === undefined) return;
    this.#poll = setInterval(() => void this.refresh(), options.pollIntervalMs ?? topologyPollIntervalMs);
    this.#poll.unref();
    this.#watch(dirname(options.file));
  }

  /**
   * Reads file and copy and starts to follow the file. Rejects with KvcacheError CONFIG where neither has a topology
   * and there is no fallback. Faults found on the way are told by the events of the first tick.
   */
  static async open(options: TopologySourceOptions): Promise<TopologySource> {
    const faults: TopologyFault[] = [];
    const copy = await readDocument(options.copy, faults);
    const file = await readDocument(options.file, faults);
    const best = [options.fallback, copy?.topology, file?.topology].reduce(higher, undefined);
    if (best === undefined) throw new KvcacheError('CONFIG', noTopologyMessage(options, faults));
    const source = new TopologySource(options, best, copy?.topology !== undefined);
    source.#seen = file?.text;
    if (best !== copy?.topology && best.epoch > 0) await source.#writeCopy(best);
    else source.#copiedEpoch = best.epoch;
    setImmediate(() => {
      for (const fault of faults) source.emit('fault', fault);
      if (options.file !== undefined && file?.topology !== undefined)
        source.#reportIfBehind(options.file, file.topology);
    });
    return source;
  }

  get slots(): SlotMap {
    return this.#holder.slots;
  }

  onChange(listener: (slots: SlotMap) => void): () => void {
    return this.#holder.onChange(listener);
  }

  newerThan(epoch: number, timeoutMs: number): Promise<SlotMap> {
    return this.#holder.newerThan(epoch, timeoutMs);
  }

  /** Takes a topology that was pushed to this process, if its epoch is higher, and says whether it did. */
  offer(topology: Topology): boolean {
    if (!this.#holder.offer(topology)) return false;
    this.#copied = this.#copied.then(() => this.#writeNewest());
    this.emit('change', this.#holder.slots);
    return true;
  }

  /**
   * Resolves when the topology in force is in this process's copy, hence still known to it after a crash; at once where
   * it keeps none. Rejects with KvcacheError DISKFULL if the copy cannot be written.
   */
  async persisted(): Promise<void> {
    const { epoch } = this.slots;
    await this.#copied;
    if (this.#options.copy === undefined || this.#copiedEpoch >= epoch) return;
    // One write at a time: two would tear the file that both write beside the copy.
    this.#copied = this.#copied.then(() => this.#writeNewest());
    await this.#copied;
    if (this.#copiedEpoch < epoch) {
      throw new KvcacheError('DISKFULL', `the topology cannot be written to ${this.#options.copy}`);
    }
  }

  /** Looks at the file now. Resolves when what it says has been taken or reported. */
  refresh(): Promise<void> {
    this.#look = this.#look.then(() => this.#lookAtFile());
    return this.#look;
  }

  async close(): Promise<void> {
    clearInterval(this.#poll);
    this.#watcher?.close();
    await this.#look;
    await this.#copied;
  }

  async #lookAtFile(): Promise<void> {
    const faults: TopologyFault[] = [];
    const file = await readDocument(this.#options.file, faults, this.#seen);
    // A file that vanishes for a moment while it is replaced is no news.
    if (file === undefined || file.text === this.#seen) return;
    this.#seen = file.text;
    for (const fault of faults) this.emit('fault', fault);
    if (file.topology !== undefined && !this.offer(file.topology)) this.#reportIfBehind(file.path, file.topology);
  }

  #reportIfBehind(path: string, topology: Topology): void {
    const { epoch } = this.slots;
    if (topology.epoch < epoch) {
      this.emit('fault', { path, message: `has epoch ${topology.epoch}, but epoch ${epoch} is already in force` });
    } else if (formatTopology(topology) !== formatTopology(this.slots.topology)) {
      this.emit('fault', { path, message: `differs from the topology in force but has the same epoch ${epoch}` });
    }
  }

  #watch(directory: string): void {
    try {
      this.#watcher = watch(directory, { persistent: false }, () => void this.refresh());
      this.#watcher.on('error', (error) => this.emit('fault', { path: directory, message: messageOf(error) }));
    } catch (error) {
      // The directory may come later; polling goes on.
      this.emit('fault', { path: directory, message: messageOf(error) });
    }
  }

  /** Nothing to do where an earlier one in the row has written it already. */
  async #writeNewest(): Promise<void> {
    const { topology } = this.slots;
    if (this.#copiedEpoch < topology.epoch) await this.#writeCopy(topology);
  }

  async #writeCopy(topology: Topology): Promise<void> {
    const { copy } = this.#options;
    if (copy === undefined) return;
    try {
      await mkdir(dirname(copy), { recursive: true });
      await replaceFile(copy, formatTopology(topology));
      this.#copiedEpoch = topology.epoch;
    } catch (error) {
      this.emit('fault', { path: copy, message: `could not be written: ${messageOf(error)}` });
    }
  }
}

interface ReadDocument {
  readonly path: string;
  readonly text: string;
  /** Undefined if the text is no topology. */
  readonly topology: Topology | undefined;
}

/** The document at `path`; undefined if there is no such file. A text equal to `known` is not parsed again. */
async function readDocument(
  path: string | undefined,
  faults: TopologyFault[],
  known?: string,
): Promise<ReadDocument | undefined> {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    faults.push({ path, message: messageOf(error) });
    return { path, text: messageOf(error), topology: undefined };
  }
  if (text === known) return { path, text, topology: undefined };
  try {
    return { path, text, topology: parseTopology(text) };
  } catch (error) {
    faults.push({ path, message: messageOf(error) });
    return { path, text, topology: undefined };
  }
}

function higher(a: Topology | undefined, b: Topology | undefined): Topology | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.epoch >= a.epoch ? b : a;
}

function noTopologyMessage(options: TopologySourceOptions, faults: readonly TopologyFault[]): string {
  const reasons = faults.map((fault) => `${fault.path}: ${fault.message}`);
  if (options.file !== undefined && reasons.length === 0) reasons.push(`${options.file} does not exist`);
  return `no topology: ${reasons.join('; ') || 'topology.path is not set'}`;
}
