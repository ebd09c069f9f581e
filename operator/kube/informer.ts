/**
 * A store that follows the cluster, and tells what changes in it.
 *
 * One reflector for all namespaces, or one for each of a list; all write to one store. Handlers are told after the store
 * has changed and get no promise that every change is told one by one: two quick changes may come as one. Reconcilers put
 * the key of what was told in a queue and read the store when its turn comes, so that is enough. `resync` tells every
 * object again from time to time, changed or not, in case somebody missed something.
 *
 * A handler that throws is logged and counted; it neither ends the process nor keeps others from being told.
 */
import { messageOf } from '../../errors.ts';
import { kubeResyncIntervalMs } from '../../limits.ts';
import type { KubeClient } from './client.ts';
import { Reflector, type ReflectorStatistics, type WatchLog, type WatchTiming } from './reflector.ts';
import { keyOf, keyText, type Resource, type Stored } from './resources.ts';
import { Store, type StoreOptions } from './store.ts';

export type Change<T extends object> =
  | { readonly kind: 'added'; readonly object: Stored<T> }
  | { readonly kind: 'updated'; readonly object: Stored<T>; readonly previous: Stored<T> }
  | { readonly kind: 'deleted'; readonly object: Stored<T> }
  | { readonly kind: 'resync'; readonly object: Stored<T> };

export type ChangeHandler<T extends object> = (change: Change<T>) => void;

export interface InformerOptions<T extends object> extends StoreOptions<T>, WatchTiming {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** Empty: all. */
  readonly namespaces?: readonly string[];
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Name, labels, annotations and owners only, for kinds whose content is large or secret. */
  readonly isMetadataOnly?: boolean;
  /** 0: never. */
  readonly resyncIntervalMs?: number;
  readonly log: WatchLog;
}

export interface InformerStatistics extends ReflectorStatistics {
  readonly objects: number;
  readonly handlerFaults: number;
}

export class Informer<T extends object> {
  readonly store: Store<T>;
  readonly resource: Resource<T>;
  readonly #options: InformerOptions<T>;
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #reflectors: readonly Reflector<T>[];
  readonly #synced = Promise.withResolvers<void>();
  readonly #unsynced: Set<string>;
  #resync: NodeJS.Timeout | undefined;
  #handlerFaults = 0;
  #isStopped = false;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.resource = options.resource;
    this.store = new Store(options);
    const scopes =
      options.resource.isNamespaced && options.namespaces?.length ? [...new Set(options.namespaces)] : [''];
    this.#unsynced = new Set(scopes);
    this.#reflectors = scopes.map((namespace) => this.#reflectorOf(namespace));
  }

  /** Has every namespace been listed once? Until then, the store must not be taken for the truth. */
  get hasSynced(): boolean {
    return this.#unsynced.size === 0;
  }

  get statistics(): InformerStatistics {
    const sum = { lists: 0, watches: 0, failures: 0, events: 0, bookmarks: 0 };
    for (const { statistics } of this.#reflectors) {
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += statistics[name];
    }
    return { ...sum, objects: this.store.size, handlerFaults: this.#handlerFaults };
  }

  /** Tells what is in the store now as added, and every change from now on. Returns the way to end it. */
  subscribe(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.store.all()) this.#tellOne(handler, { kind: 'added', object });
    return () => this.#handlers.delete(handler);
  }

  start(): void {
    if (this.#isStopped) throw new TypeError('an informer that was stopped does not start again');
    for (const reflector of this.#reflectors) reflector.start();
    const { resyncIntervalMs = kubeResyncIntervalMs } = this.#options;
    if (resyncIntervalMs > 0) this.#resync ??= setInterval(() => this.#tellAll(), resyncIntervalMs).unref();
  }

  /** Resolves when the store is a true picture for the first time; false where the informer is stopped before. */
  async whenSynced(): Promise<boolean> {
    await this.#synced.promise;
    return this.hasSynced;
  }

  /** Nothing is told any more when this has resolved, and no connection is left. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#resync);
    this.#handlers.clear();
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
    this.#synced.resolve();
  }

  #reflectorOf(namespace: string): Reflector<T> {
    const { labelSelector, fieldSelector, isMetadataOnly = false } = this.#options;
    return new Reflector<T>({
      ...this.#options,
      isMetadataOnly,
      selection: { namespace, labelSelector, fieldSelector },
      onReplace: (items) => this.#replace(namespace, items),
      onSet: (object) => this.#set(object),
      onDelete: (object) => this.#delete(keyText(keyOf(object)), object),
    });
  }

  #replace(namespace: string, items: readonly Stored<T>[]): void {
    const present = new Set(items.map((item) => keyText(keyOf(item))));
    const prefix = namespace ? `${namespace}/` : '';
    const gone = [...this.store.keys()].filter((key) => key.startsWith(prefix) && !present.has(key));
    for (const key of gone) this.#delete(key);
    for (const item of items) this.#set(item);
    this.#unsynced.delete(namespace);
    if (this.hasSynced) this.#synced.resolve();
  }

  #set(object: Stored<T>): void {
    // What other managers own is of no interest here, and a third of an object's memory.
    delete object.metadata.managedFields;
    // Metadata alone comes as an object of another kind, which nobody who reads the store should have to know.
    object.apiVersion = this.resource.apiVersion;
    object.kind = this.resource.kind;
    const previous = this.store.set(object);
    if (!previous) this.#tell({ kind: 'added', object });
    else if (previous.metadata.uid !== object.metadata.uid) {
      // Deleted and made anew while nobody watched.
      this.#tell({ kind: 'deleted', object: previous });
      this.#tell({ kind: 'added', object });
    } else if (previous.metadata.resourceVersion !== object.metadata.resourceVersion) {
      this.#tell({ kind: 'updated', object, previous });
    }
  }

  /** `last` is the object as it was deleted; where a listing misses it, the last that we saw has to do. */
  #delete(key: string, last?: Stored<T>): void {
    const previous = this.store.remove(key);
    if (previous) this.#tell({ kind: 'deleted', object: last ?? previous });
  }

  #tellAll(): void {
    for (const object of this.store.all()) this.#tell({ kind: 'resync', object });
  }

  #tell(change: Change<T>): void {
    for (const handler of this.#handlers) this.#tellOne(handler, change);
  }

  #tellOne(handler: ChangeHandler<T>, change: Change<T>): void {
    try {
      // TypeScript lets an asynchronous function stand for one without a result; its rejection must have a reader too.
      const result: unknown = handler(change);
      if (result instanceof Promise) result.catch((error: unknown) => this.#onHandlerFault(change, error));
    } catch (error) {
      this.#onHandlerFault(change, error);
    }
  }

  #onHandlerFault(change: Change<T>, error: unknown): void {
    this.#handlerFaults += 1;
    const { kind, metadata } = change.object;
    const fields = { kind, name: metadata.name, namespace: metadata.namespace, error: messageOf(error) };
    this.#options.log.warn(fields, 'informer: a handler failed');
  }
}
