/**
 * Keeps a picture of one collection (a kind, in one namespace or all, by selectors) true: lists it, watches it from there,
 * and does so again for as long as it runs.
 *
 *   list ──► replace(items) ──► watch ──► event, event, …        the version of the last event or bookmark is remembered
 *     ▲                           │
 *     │   410: the version is     ├── ends in order, breaks, falls silent: watch on from the remembered version
 *     └── no longer known ────────┘
 *
 * Whatever fails is tried again, with a delay that doubles and is drawn at random, for ever: there is no fault after which
 * an operator is better off not knowing. A replacement tells what is no longer there, so a deletion that happened while
 * nobody watched is found by the next listing. (client-node's ListWatch stops at every fault but 410, retries no listing
 * and asks for no bookmarks.)
 */
import { messageOf } from '../../errors.ts';
import {
  kubeAttemptTimeoutMs,
  kubeWatchProvenMs,
  kubeWatchRetryDelayMaxMs,
  kubeWatchRetryDelayMinMs,
  kubeWatchSilenceMaxMs,
  kubeWatchTimeoutMs,
} from '../../limits.ts';
import { backoffMs, sleep } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isGone, KubeError } from './kube-error.ts';
import { collectionPath, type Resource, type Stored } from './resources.ts';
import type { Selection } from './verbs.ts';
import { watchEvents } from './watch-stream.ts';

export interface WatchLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface WatchTiming {
  readonly watchTimeoutMs?: number;
  readonly silenceMaxMs?: number;
  readonly retryDelayMinMs?: number;
  readonly retryDelayMaxMs?: number;
}

export interface ReflectorOptions<T extends object> extends WatchTiming {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly selection: Selection;
  readonly isMetadataOnly: boolean;
  readonly log: WatchLog;
  /** The whole collection as it is; what is not in it is gone. */
  readonly onReplace: (items: readonly Stored<T>[]) => void;
  readonly onSet: (object: Stored<T>) => void;
  readonly onDelete: (object: Stored<T>) => void;
}

export interface ReflectorStatistics {
  readonly lists: number;
  readonly watches: number;
  readonly failures: number;
  readonly events: number;
  readonly bookmarks: number;
}

export class Reflector<T extends object> {
  readonly #options: ReflectorOptions<T>;
  readonly #stopping = new AbortController();
  readonly #path: string;
  #running: Promise<void> | undefined;
  /** Undefined: list first. */
  #version: string | undefined;
  #failuresInARow = 0;
  #counts = { lists: 0, watches: 0, failures: 0, events: 0, bookmarks: 0 };

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#path = collectionPath(options.resource, options.selection.namespace);
  }

  get statistics(): ReflectorStatistics {
    return this.#counts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** After it, no callback is called any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const beganMs = performance.now();
      let isClean = false;
      try {
        if (this.#version === undefined) await this.#list();
        await this.#watch();
        isClean = true;
      } catch (error) {
        if (signal.aborted) return;
        this.#onFailure(error);
      }
      const isProven = performance.now() - beganMs >= kubeWatchProvenMs;
      if (isProven) this.#failuresInARow = 0;
      if (isClean && isProven) continue;
      // A server that ends every watch at once, in order or not, must not be asked without pause.
      const { retryDelayMinMs = kubeWatchRetryDelayMinMs, retryDelayMaxMs = kubeWatchRetryDelayMaxMs } = this.#options;
      await sleep(backoffMs(this.#failuresInARow, { minMs: retryDelayMinMs, maxMs: retryDelayMaxMs }), signal);
      this.#failuresInARow += 1;
    }
  }

  async #list(): Promise<void> {
    const { client, resource, selection, isMetadataOnly } = this.#options;
    const { signal } = this.#stopping;
    const { items, resourceVersion } = await client.list(resource, { ...selection, isMetadataOnly, signal });
    if (signal.aborted) return;
    this.#counts.lists += 1;
    this.#options.onReplace(items);
    this.#version = resourceVersion;
  }

  async #watch(): Promise<void> {
    const { client, resource, selection, isMetadataOnly } = this.#options;
    const { watchTimeoutMs = kubeWatchTimeoutMs, silenceMaxMs = kubeWatchSilenceMaxMs } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted || this.#version === undefined) return;
    this.#counts.watches += 1;
    const stream = await client.watch(resource, {
      ...selection,
      isMetadataOnly,
      resourceVersion: this.#version,
      timeoutMs: watchTimeoutMs * (1 + Math.random()),
      headTimeoutMs: Math.min(kubeAttemptTimeoutMs, silenceMaxMs),
      signal,
    });
    for await (const event of watchEvents<T>(stream, { description: `WATCH ${this.#path}`, silenceMaxMs })) {
      if (signal.aborted) return;
      if (event.type === 'BOOKMARK') this.#counts.bookmarks += 1;
      else this.#counts.events += 1;
      if (event.type === 'DELETED') this.#options.onDelete(event.object);
      else if (event.type !== 'BOOKMARK') this.#options.onSet(event.object);
      this.#failuresInARow = 0;
      this.#version = event.object.metadata.resourceVersion;
    }
  }

  #onFailure(error: unknown): void {
    const { log } = this.#options;
    const fields = { path: this.#path, error: messageOf(error) };
    if (isGone(error)) {
      // The server has forgotten this version, which is ordinary after a pause: list again.
      this.#version = undefined;
      log.debug(fields, 'watch: the version is gone, listing again');
      return;
    }
    this.#counts.failures += 1;
    // A server that answers and refuses again and again may never take this version: etcd that was restored from a backup
    // is behind it for ever.
    if (error instanceof KubeError && error.status > 0 && this.#failuresInARow >= 2) this.#version = undefined;
    // One failure is a server that restarts; more of them are worth a person's attention.
    if (this.#failuresInARow < 2) log.debug(fields, 'watch: failed, trying again');
    else log.warn({ ...fields, failures: this.#failuresInARow + 1 }, 'watch: keeps failing, trying again');
  }
}
