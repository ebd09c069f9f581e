/** What the verbs of the client take and give. */
import type { RequestOptions } from './requests.ts';
import type { KubeObject, Stored } from './resources.ts';

/** An object to be written: content of its kind; kind and version are added by the client. */
export type Sendable<T extends object> = Omit<NoInfer<T>, keyof KubeObject> & KubeObject;

export interface Selection {
  /** Undefined or empty: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends Selection, RequestOptions {
  readonly pageItems?: number;
  /** Name, labels, annotations, owners and nothing else: for kinds whose content is large or secret. */
  readonly isMetadataOnly?: boolean | undefined;
}

export interface Listing<T extends object> {
  readonly items: Stored<T>[];
  /** Where a watch goes on. */
  readonly resourceVersion: string;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion: string;
  readonly timeoutMs: number;
  readonly headTimeoutMs: number;
  readonly isMetadataOnly?: boolean | undefined;
  readonly signal: AbortSignal;
}

export interface Applied<T extends object> {
  readonly object: Stored<T>;
  readonly outcome: 'created' | 'changed' | 'unchanged';
}

export interface ApplyOptions extends RequestOptions {
  /**
   * The object as it was last seen, for telling `changed` from `unchanged`. From a cache, it may be old: then `changed`
   * also says that somebody else changed it. Null: it is not there. Without this the object is read first.
   */
  readonly known?: { readonly metadata: { readonly resourceVersion: string } } | null | undefined;
  readonly fieldManager?: string;
}

export interface DeleteOptions extends RequestOptions {
  /** Only that object, and not one that was made under its name since. */
  readonly uid?: string | undefined;
  /** Only as it was seen. */
  readonly resourceVersion?: string | undefined;
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan';
  readonly gracePeriodSeconds?: number | undefined;
}

export interface EvictOptions extends RequestOptions {
  readonly uid?: string | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

/** `blocked`: a PodDisruptionBudget does not allow it now. `gone`: there is no such pod (any more). */
export type Eviction =
  | { readonly kind: 'evicted' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'blocked'; readonly why: string };
