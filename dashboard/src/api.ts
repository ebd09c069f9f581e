/** The server's API, and the credentials that it asks for. They live as long as the browser's tab. */
import type { Statistics } from './figures.ts';

export interface Cluster {
  readonly role: 'router' | 'shard';
  readonly name: string;
  readonly version: string;
  readonly epoch: number;
  readonly slot_count: number;
  readonly moving: number;
  readonly shards: readonly {
    readonly name: string;
    readonly address: string;
    readonly slots: number;
    readonly link?: string;
  }[];
  readonly slots: readonly {
    readonly from: number;
    readonly to: number;
    readonly shard: string;
    readonly source?: string;
  }[];
}

export interface KeyName {
  readonly key: string;
  readonly encoding?: 'base64';
}

export interface KeyFacts extends KeyName {
  readonly type: string;
  readonly bytes: number;
  readonly ttl_ms: number;
  readonly tier: string;
  readonly slot: number;
  readonly shard: string;
  readonly value?: unknown;
  readonly value_encoding?: 'base64';
  readonly is_truncated?: boolean;
  /** Of a key with vector clocks, the newest first. */
  readonly siblings?: readonly Sibling[];
}

export interface Sibling {
  readonly version: Readonly<Record<string, string>>;
  readonly is_deleted: boolean;
  readonly value?: string;
  readonly value_encoding?: 'base64';
  readonly is_truncated?: boolean;
}

export interface BlockLookup {
  readonly token_count: number;
  readonly block_count: number;
  readonly cached_blocks: number;
  readonly blocks: readonly {
    readonly index: number;
    readonly digest: string;
    readonly slot: number;
    readonly shard: string;
    readonly text?: string;
    readonly tokens: readonly number[];
    readonly versions: readonly {
      readonly hash: string;
      readonly parent: string;
      readonly is_in_chain: boolean;
      readonly bytes?: number;
      readonly tier?: string;
    }[];
  }[];
}

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const storageKey = 'kvcache-credentials';
const listeners = new Set<() => void>();

/** Calls back when the server asks for credentials. */
export function onLoginNeeded(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function logIn(kind: 'token' | 'password', secret: string): void {
  const bytes = new TextEncoder().encode(`kvcache:${secret}`);
  const basic = btoa(String.fromCodePoint(...bytes));
  sessionStorage.setItem(storageKey, kind === 'token' ? `Bearer ${secret}` : `Basic ${basic}`);
}

export function logOut(): void {
  sessionStorage.removeItem(storageKey);
}

export function isLoggedIn(): boolean {
  return sessionStorage.getItem(storageKey) !== null;
}

export async function ask(method: string, path: string, body?: BodyInit): Promise<Response> {
  const authorization = sessionStorage.getItem(storageKey);
  const response = await fetch(path, {
    method,
    headers: { 'kvcache-dashboard': '1', ...(authorization !== null && { authorization }) },
    ...(body !== undefined && { body }),
  }).catch(() => {
    throw new ApiError(0, 'the server does not answer');
  });
  if (response.status === 401) for (const listener of listeners) listener();
  return response;
}

/** The answer as JSON; throws ApiError with the server's words. */
export async function askJson<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const isRaw = body instanceof Blob || body instanceof Uint8Array || typeof body === 'string';
  const response = await ask(method, path, body === undefined || isRaw ? (body as BodyInit) : JSON.stringify(body));
  const answer = (await response
    .json()
    .catch(() => ({ error: `${response.status} ${response.statusText}` }))) as Answer;
  if (!response.ok) throw new ApiError(response.status, (answer as { error?: string }).error ?? response.statusText);
  return answer;
}

export const readCluster = (): Promise<Cluster> => askJson('GET', '/api/v1/cluster');
export const readStatistics = (): Promise<Statistics> => askJson('GET', '/api/v1/stats');
