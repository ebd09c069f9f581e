/**
 * The verbs of the Kubernetes API, for any kind of object.
 *
 * Server-side apply is the way to write: a body says what the operator wants to own and nothing else, the server works
 * out the difference, and a body that changes nothing leaves the resourceVersion as it is, which is how a steady state
 * shows itself. One field manager, always `force`: what the operator owns, it owns.
 *
 * A miss is a value: `get` and `delete` of what is not there are no faults. Everything else that fails is a `KubeError`.
 */
import {
  kubeListPageItems,
  kubeListPagesMax,
  kubeListRestartsMax,
  kubeRequestsBurstMax,
  kubeRequestsPerSecondMax,
} from '../../limits.ts';
import { TokenBucket } from './backoff.ts';
import { KubeConnection, type OpenAnswer } from './connection.ts';
import type { Credentials } from './credentials.ts';
import { errorOfAnswer, isAlreadyExists, isGone, isNotFound, KubeError } from './kube-error.ts';
import type {
  Applied,
  ApplyOptions,
  DeleteOptions,
  Eviction,
  EvictOptions,
  Listing,
  ListOptions,
  Sendable,
  WatchOptions,
} from './verbs.ts';
import { queryText, type RequestOptions, RequestRunner, type RequestStatistics, type WriteFence } from './requests.ts';
import {
  collectionPath,
  keyOf,
  type ObjectKey,
  objectPath,
  pods,
  type Resource,
  type ResourceKind,
  type Stored,
} from './resources.ts';

export const fieldManager = 'kvcache-operator';

export interface KubeClientOptions {
  readonly credentials: Credentials;
  /** `kvcache-operator/0.1.0`. */
  readonly userAgent?: string;
  readonly connectionsMax?: number;
}

const metadataAccept = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  one: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
} as const;

export class KubeClient {
  readonly #options: KubeClientOptions;
  readonly #runner: RequestRunner;
  readonly #fence: WriteFence | undefined;

  constructor(options: KubeClientOptions | { readonly of: KubeClient; readonly fence: WriteFence }) {
    if ('of' in options) {
      this.#options = options.of.#options;
      this.#runner = options.of.#runner;
      this.#fence = options.fence;
      return;
    }
    this.#options = options;
    const { credentials, userAgent = fieldManager, connectionsMax } = options;
    const connection = new KubeConnection({
      credentials,
      userAgent,
      ...(connectionsMax === undefined ? {} : { connectionsMax }),
    });
    const bucket = new TokenBucket({ burst: kubeRequestsBurstMax, perSecond: kubeRequestsPerSecondMax });
    this.#runner = new RequestRunner(connection, bucket);
    this.#fence = undefined;
  }

  /** The namespace that the process is in, or that the kubeconfig's context names. */
  get namespace(): string | undefined {
    return this.#options.credentials.namespace;
  }

  /** The same connections, but every write asks the fence before it leaves. */
  fencedBy(fence: WriteFence): KubeClient {
    return new KubeClient({ of: this, fence });
  }

  /** The same server and identity, with connections and a budget of requests of its own, and without a fence. */
  sibling(): KubeClient {
    return new KubeClient(this.#options);
  }

  get requestStatistics(): RequestStatistics {
    return this.#runner.statistics;
  }

  get connectionStatistics(): KubeConnection['statistics'] {
    return this.#runner.connection.statistics;
  }

  close(): void {
    this.#runner.connection.close();
  }

  async get<T extends object>(
    resource: Resource<T>,
    key: ObjectKey,
    options: RequestOptions & { readonly isMetadataOnly?: boolean } = {},
  ): Promise<Stored<T> | undefined> {
    const accept = options.isMetadataOnly ? metadataAccept.one : undefined;
    try {
      const { body } = await this.#runner.run(
        { method: 'GET', path: objectPath(resource, key), accept },
        options,
        undefined,
      );
      return body as Stored<T>;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The whole listing, read in pages. Pages that expire under it make it begin again. */
  async list<T extends object>(resource: Resource<T>, options: ListOptions = {}): Promise<Listing<T>> {
    for (let restarts = 0; ; restarts += 1) {
      try {
        const items: Stored<T>[] = [];
        let resourceVersion = '';
        for await (const page of this.pages(resource, options)) {
          for (const item of page.items) items.push(item);
          resourceVersion = page.resourceVersion;
        }
        return { items, resourceVersion };
      } catch (error) {
        if (!isGone(error) || restarts >= kubeListRestartsMax) throw error;
      }
    }
  }

  /** The listing page by page, for what is looked at once and not kept. All pages show one moment. */
  async *pages<T extends object>(resource: Resource<T>, options: ListOptions = {}): AsyncGenerator<Listing<T>> {
    let next: string | undefined;
    for (let page = 0; page < kubeListPagesMax; page += 1) {
      const { body } = await this.#runner.run(
        {
          method: 'GET',
          path: collectionPath(resource, options.namespace),
          query: {
            labelSelector: options.labelSelector,
            fieldSelector: options.fieldSelector,
            limit: options.pageItems ?? kubeListPageItems,
            continue: next,
          },
          accept: options.isMetadataOnly ? metadataAccept.list : undefined,
        },
        options,
        undefined,
      );
      const list = body as { items?: Stored<T>[]; metadata?: { resourceVersion?: string; continue?: string } };
      const items = list.items ?? [];
      // The items of a list do not say what they are, or say that they are mere metadata.
      for (const item of items) {
        item.apiVersion = resource.apiVersion;
        item.kind = resource.kind;
      }
      yield { items, resourceVersion: list.metadata?.resourceVersion ?? '' };
      next = list.metadata?.continue;
      if (!next) return;
    }
    throw new KubeError(`GET ${collectionPath(resource, options.namespace)}: more than ${kubeListPagesMax} pages`, {
      status: 0,
      reason: 'MalformedAnswer',
    });
  }

  /** The open stream of a watch; watch-stream.ts reads it. */
  async watch(resource: ResourceKind, options: WatchOptions): Promise<OpenAnswer['stream']> {
    const path = collectionPath(resource, options.namespace);
    const answer = await this.#runner.connection.open({
      method: 'GET',
      path:
        path +
        queryText({
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: options.resourceVersion,
          timeoutSeconds: Math.ceil(options.timeoutMs / 1_000),
          labelSelector: options.labelSelector,
          fieldSelector: options.fieldSelector,
        }),
      headers: options.isMetadataOnly ? { accept: metadataAccept.one } : {},
      timeoutMs: options.headTimeoutMs,
      signal: options.signal,
    });
    this.#runner.count('WATCH', answer.status);
    if (answer.status === 200) return answer.stream;
    const body = await answer.stream.toArray();
    const text = Buffer.concat(body as Buffer[]).toString('utf8');
    throw errorOfAnswer(`WATCH ${path}`, answer.status, text, answer.headers['retry-after']);
  }

  /** Server-side apply of what the operator owns of an object. */
  async apply<T extends object>(
    resource: Resource<T>,
    body: Sendable<T>,
    options: ApplyOptions = {},
  ): Promise<Applied<T>> {
    return this.#apply(resource, body, undefined, options);
  }

  /** The same for the status, which has a life of its own. The object must exist. */
  async applyStatus<T extends object>(
    resource: Resource<T>,
    body: Sendable<T>,
    options: ApplyOptions = {},
  ): Promise<Applied<T>> {
    return this.#apply(resource, body, 'status', options);
  }

  async #apply<T extends object>(
    resource: Resource<T>,
    body: Sendable<T>,
    subresource: string | undefined,
    options: ApplyOptions,
  ): Promise<Applied<T>> {
    const key = keyOf(body);
    const known = options.known === undefined ? ((await this.get(resource, key, options)) ?? null) : options.known;
    const answer = await this.#runner.run(
      {
        method: 'PATCH',
        path: objectPath(resource, key, subresource),
        query: { fieldManager: options.fieldManager ?? fieldManager, force: true },
        contentType: 'application/apply-patch+yaml',
        body: { ...body, apiVersion: resource.apiVersion, kind: resource.kind },
      },
      options,
      this.#fence,
    );
    const object = answer.body as Stored<T>;
    if (answer.status === 201) return { object, outcome: 'created' };
    const isSame = known?.metadata.resourceVersion === object.metadata.resourceVersion;
    return { object, outcome: isSame ? 'unchanged' : 'changed' };
  }

  /** Rejects with AlreadyExists where it does; after a broken connection that may be this very call's object. */
  async create<T extends object>(
    resource: Resource<T>,
    body: Sendable<T>,
    options: RequestOptions = {},
  ): Promise<Stored<T>> {
    const { body: created } = await this.#runner.run(
      {
        method: 'POST',
        path: collectionPath(resource, body.metadata?.namespace),
        query: { fieldManager },
        body: { ...body, apiVersion: resource.apiVersion, kind: resource.kind },
        isRepeatable: body.metadata?.name !== undefined,
      },
      options,
      this.#fence,
    );
    return created as Stored<T>;
  }

  /** As `create`; undefined where an object of that name is there. */
  async createIfAbsent<T extends object>(
    resource: Resource<T>,
    body: Sendable<T>,
    options: RequestOptions = {},
  ): Promise<Stored<T> | undefined> {
    try {
      return await this.create(resource, body, options);
    } catch (error) {
      if (isAlreadyExists(error)) return undefined;
      throw error;
    }
  }

  /** The whole object in place of the stored one; with a resourceVersion, only of that one (else Conflict). */
  async replace<T extends object>(
    resource: Resource<T>,
    body: Sendable<T>,
    options: RequestOptions = {},
  ): Promise<Stored<T>> {
    const { body: stored } = await this.#runner.run(
      {
        method: 'PUT',
        path: objectPath(resource, keyOf(body)),
        query: { fieldManager },
        body: { ...body, apiVersion: resource.apiVersion, kind: resource.kind },
      },
      options,
      this.#fence,
    );
    return stored as Stored<T>;
  }

  /** A JSON merge patch: null removes a field, a list replaces the whole list. With metadata.resourceVersion, conditional. */
  async patch<T extends object>(
    resource: Resource<T>,
    key: ObjectKey,
    patch: object,
    options: RequestOptions & { readonly subresource?: string } = {},
  ): Promise<Stored<T>> {
    const { body } = await this.#runner.run(
      {
        method: 'PATCH',
        path: objectPath(resource, key, options.subresource),
        query: { fieldManager },
        contentType: 'application/merge-patch+json',
        body: patch,
      },
      options,
      this.#fence,
    );
    return body as Stored<T>;
  }

  /** False where there is no such object. A precondition that does not hold is a Conflict. */
  async delete(resource: ResourceKind, key: ObjectKey, options: DeleteOptions = {}): Promise<boolean> {
    try {
      await this.#runner.run(
        {
          method: 'DELETE',
          path: objectPath(resource, key),
          body: {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            propagationPolicy: options.propagation ?? 'Background',
            ...deleteOptionsOf(options),
          },
        },
        options,
        this.#fence,
      );
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Deletes a pod if its PodDisruptionBudgets allow it. */
  async evict(pod: ObjectKey, options: EvictOptions = {}): Promise<Eviction> {
    const path = objectPath(pods, pod, 'eviction');
    const eviction = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod.name, namespace: pod.namespace },
      deleteOptions: deleteOptionsOf(options),
    };
    try {
      // One attempt: 429 is the budget's answer here, and no request to come back soon.
      await this.#runner.run({ method: 'POST', path, body: eviction }, { attemptsMax: 1, ...options }, this.#fence);
      return { kind: 'evicted' };
    } catch (error) {
      if (isNotFound(error)) return { kind: 'gone' };
      if (isOfBudget(error)) return { kind: 'blocked', why: error.message };
      throw error;
    }
  }
}

/** A server that is busy answers 429 as well, but for another cause. */
function isOfBudget(error: unknown): error is KubeError {
  return (
    error instanceof KubeError &&
    error.status === 429 &&
    (error.details?.causes ?? []).some(({ reason }) => reason === 'DisruptionBudget')
  );
}

function deleteOptionsOf(options: Pick<DeleteOptions, 'uid' | 'resourceVersion' | 'gracePeriodSeconds'>): object {
  const { uid, resourceVersion, gracePeriodSeconds } = options;
  return {
    ...(uid || resourceVersion ? { preconditions: { uid, resourceVersion } } : {}),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
}
