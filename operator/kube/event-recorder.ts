/**
 * What the operator tells people who run `kubectl describe`: events in events.k8s.io/v1.
 *
 * An event that repeats (same object, type, reason, action and note) within six minutes is not written again but counted:
 * the first is created at once, the count goes into its `series` with the next turn of a timer. So a loop that says the same
 * thing every second costs one write in thirty seconds. A new note is a new event, because notes cannot be changed.
 *
 * Telling is the least important thing that the operator does: everything here is bounded, an object that has too much to
 * say is cut short by a token bucket of its own, and no failure reaches whoever recorded the event.
 */
import { randomBytes } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import {
  eventBurstMax,
  eventLastWordsMs,
  eventNoteBytesMax,
  eventQueueMax,
  eventRefillIntervalMs,
  eventSendTimeoutMs,
  eventSeriesMax,
  eventSeriesWindowMs,
  eventSeriesWriteIntervalMs,
} from '../../limits.ts';
import { TokenBucket } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isNotFound, KubeError } from './kube-error.ts';
import { microTime } from './lease.ts';
import type { RequestOptions } from './requests.ts';
import { events, type ObjectMeta } from './resources.ts';

/** Anything with a kind and a name. */
export interface Regarded {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

export interface EventToRecord {
  readonly regarding: Regarded;
  readonly related?: Regarded | undefined;
  readonly type: 'Normal' | 'Warning';
  /** Why, as one word that never changes: `ShardLost`. */
  readonly reason: string;
  /** What the operator did or tried: `Reconcile`, `ScaleIn`. */
  readonly action: string;
  /** A sentence. Cut to 1,024 bytes. */
  readonly note: string;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  /** `kvcache.dev/operator`. */
  readonly controller: string;
  /** The operator's pod. */
  readonly instance: string;
  readonly log: { debug(fields: object, message: string): void };
  readonly seriesWriteIntervalMs?: number;
}

export interface EventStatistics {
  readonly recorded: number;
  readonly written: number;
  /** Not written, because an object or all of them said too much. */
  readonly dropped: number;
  readonly failed: number;
}

interface Series {
  readonly key: string;
  readonly event: EventToRecord;
  readonly namespace: string;
  readonly firstAt: Date;
  lastAt: Date;
  lastMs: number;
  count: number;
  /** How much of the count the server knows; 0: no event yet. */
  writtenCount: number;
  /** Of the event on the server. */
  name: string;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** In order of last use. */
  readonly #series = new Map<string, Series>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #outbox = new Set<Series>();
  readonly #timer: NodeJS.Timeout;
  readonly #counts = { recorded: 0, written: 0, dropped: 0, failed: 0 };
  #sending: Promise<void> | undefined;
  /** Aborted when the time for last words is over. */
  readonly #ending = new AbortController();
  #writing: Series | undefined;
  #isStopped = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    const intervalMs = options.seriesWriteIntervalMs ?? eventSeriesWriteIntervalMs;
    this.#timer = setInterval(() => this.#writeCounts(), intervalMs).unref();
  }

  get statistics(): EventStatistics {
    return this.#counts;
  }

  record(event: EventToRecord): void {
    if (this.#isStopped) return;
    this.#counts.recorded += 1;
    const cut = { ...event, note: cutBytes(event.note, eventNoteBytesMax) };
    const object = objectText(event.regarding);
    const key = JSON.stringify([object, event.type, event.reason, event.action, cut.note]);
    const series = this.#series.get(key);
    const nowMs = performance.now();
    if (series && nowMs - series.lastMs < eventSeriesWindowMs) {
      series.count += 1;
      series.lastAt = new Date();
      series.lastMs = nowMs;
      touch(this.#series, key, series);
      return;
    }
    if (this.#outbox.size >= eventQueueMax || !this.#bucketOf(object).take()) {
      this.#counts.dropped += 1;
      return;
    }
    this.#begin(key, cut, nowMs);
  }

  /** Writes what is left, as far as that is done in time. Nothing is recorded afterwards. */
  async stop(withinMs = eventLastWordsMs): Promise<void> {
    this.#writeCounts();
    this.#isStopped = true;
    clearInterval(this.#timer);
    const timer = setTimeout(() => this.#ending.abort(), withinMs);
    await this.#sending;
    clearTimeout(timer);
  }

  #begin(key: string, event: EventToRecord, nowMs: number): void {
    const namespace = event.regarding.metadata?.namespace ?? 'default';
    const at = new Date();
    const series: Series = {
      key,
      event,
      namespace,
      firstAt: at,
      lastAt: at,
      lastMs: nowMs,
      count: 1,
      writtenCount: 0,
      name: '',
    };
    touch(this.#series, key, series);
    for (const oldest of this.#series.keys()) {
      if (this.#series.size <= eventSeriesMax) break;
      this.#series.delete(oldest);
    }
    this.#send(series);
  }

  #bucketOf(object: string): TokenBucket {
    const bucket =
      this.#buckets.get(object) ?? new TokenBucket({ burst: eventBurstMax, perSecond: 1_000 / eventRefillIntervalMs });
    touch(this.#buckets, object, bucket);
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= eventSeriesMax) break;
      this.#buckets.delete(oldest);
    }
    return bucket;
  }

  #writeCounts(): void {
    const nowMs = performance.now();
    for (const series of this.#series.values()) {
      if (series !== this.#writing && series.count > series.writtenCount) this.#send(series);
      // Whatever comes later is a new series, so that this one has had its last chance.
      if (nowMs - series.lastMs >= eventSeriesWindowMs) this.#series.delete(series.key);
    }
  }

  #send(series: Series): void {
    if (this.#outbox.size >= eventQueueMax) return;
    this.#outbox.add(series);
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    for (const series of this.#outbox) {
      this.#outbox.delete(series);
      if (this.#ending.signal.aborted) {
        this.#counts.dropped += 1;
        continue;
      }
      this.#writing = series;
      try {
        await this.#write(series, { timeoutMs: eventSendTimeoutMs, signal: this.#ending.signal });
        this.#counts.written += 1;
        // Nobody comes later to write what was counted meanwhile.
        if (this.#isStopped && series.count > series.writtenCount) this.#outbox.add(series);
      } catch (error) {
        this.#counts.failed += 1;
        // One that could not be created is not counted on, and one that the server refuses is not offered again: its
        // namespace may be gone. The next event of the kind begins a new series.
        const isRefused = error instanceof KubeError && error.status >= 400 && error.status < 500;
        if (series.writtenCount === 0 || isRefused) this.#series.delete(series.key);
        const fields = { reason: series.event.reason, error: messageOf(error) };
        this.#options.log.debug(fields, 'an event could not be written');
      }
    }
    this.#writing = undefined;
    this.#sending = undefined;
  }

  async #write(series: Series, options: RequestOptions): Promise<void> {
    const { count } = series;
    if (series.writtenCount > 0) {
      const patch = { series: { count, lastObservedTime: microTime(series.lastAt) } };
      try {
        await this.#options.client.patch(events, { namespace: series.namespace, name: series.name }, patch, options);
        series.writtenCount = count;
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        // The server forgets events after an hour: this one begins again.
      }
    }
    series.name = nameOf(series.event.regarding);
    await this.#options.client.create(events, this.#bodyOf(series, count), options);
    series.writtenCount = count;
  }

  #bodyOf(series: Series, count: number): NonNullable<(typeof events)['shape']> {
    const { event, namespace, name } = series;
    return {
      metadata: { namespace, name },
      eventTime: microTime(series.firstAt),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance,
      action: event.action,
      reason: event.reason,
      type: event.type,
      note: event.note,
      regarding: referenceTo(event.regarding),
      ...(event.related ? { related: referenceTo(event.related) } : {}),
      ...(count > 1 ? { series: { count, lastObservedTime: microTime(series.lastAt) } } : {}),
    };
  }
}

/** Puts at the end of a map's order. */
function touch<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
}

function referenceTo({ apiVersion, kind, metadata }: Regarded): Record<string, string> {
  const { namespace, name, uid, resourceVersion } = metadata ?? {};
  const fields = { apiVersion, kind, namespace, name, uid, resourceVersion };
  return Object.fromEntries(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined),
  );
}

function objectText({ kind, metadata }: Regarded): string {
  return [kind, metadata?.namespace, metadata?.name, metadata?.uid].join('/');
}

function nameOf({ metadata }: Regarded): string {
  return `${(metadata?.name ?? 'unknown').slice(0, 230)}.${randomBytes(8).toString('hex')}`;
}

/** Cuts at a whole character. */
function cutBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= bytesMax) return text;
  let end = bytesMax - 3;
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}…`;
}
