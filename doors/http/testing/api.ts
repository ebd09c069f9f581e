/** For tests: the HTTP door over an engine in RAM, and answers that are held against the document that it publishes. */
import { z } from 'zod';
import { MemoryCache } from '../../../testing/memory-cache.ts';
import type { RuntimeConfig } from '../../runtime-config.ts';
import { apiRoutes, type ApiParts } from '../api.ts';
import { Tokenizer } from '../../../tokenizer/tokenizer.ts';
import { singleShardTopology } from '../../../topology/place.ts';
import { SlotMap } from '../../../topology/slot-map.ts';
import type { ClusterView } from '../rest/cluster-view.ts';
import { HttpDoor, type HttpDoorOptions } from '../http-door.ts';

interface DocumentedAnswer {
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
}

export interface Document {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, DocumentedAnswer>> }>>>
  >;
  readonly components: { readonly schemas: { readonly Fault: object } };
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const slots = new SlotMap(singleShardTopology('shard-0', '127.0.0.1:7051'));
const view: ClusterView = { role: 'shard', name: 'shard-0', slots: () => slots };
const noConfig: RuntimeConfig = { get: () => '{}', update: () => undefined };

export class TestApi {
  readonly cache = new MemoryCache();
  readonly tokenizer = new Tokenizer();
  readonly door: HttpDoor;
  /** Operations that were asked, `GET /api/v1/get/{key}`, and the statuses that they answered. */
  readonly answered = new Map<string, Set<number>>();
  #url = '';
  #document: Document | undefined;

  constructor(parts: Partial<ApiParts> = {}, options: Partial<HttpDoorOptions> = {}) {
    this.door = new HttpDoor({
      host: '127.0.0.1',
      port: 0,
      registry: undefined,
      isHealthy: () => true,
      unreadyReasons: () => [],
      ...options,
    });
    const kinds = options.security?.authenticator.kinds ?? [];
    const info = { version: '0.0.0', security: kinds };
    const { watching } = this.door;
    this.door.serve(
      apiRoutes({ executor: this.cache, config: noConfig, view, tokenizer: this.tokenizer, info, watching, ...parts }),
    );
  }

  static async open(parts: Partial<ApiParts> = {}, options: Partial<HttpDoorOptions> = {}): Promise<TestApi> {
    const api = new TestApi(parts, options);
    const { host, port } = await api.door.listen();
    api.#url = `http://${host}:${port}`;
    return api;
  }

  get url(): string {
    return this.#url;
  }

  async close(): Promise<void> {
    await this.door.close(0);
    this.tokenizer.close();
    await this.cache.close();
  }

  async document(headers: Record<string, string> = {}): Promise<Document> {
    this.#document ??= (await (await fetch(`${this.#url}/openapi.json`, { headers })).json()) as Document;
    return this.#document;
  }

  /** Asks, and throws where the answer is not as the document says. */
  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Asked> {
    const sent = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const response = await fetch(this.#url + path, {
      method,
      headers,
      ...(sent !== undefined && { body: sent as string }),
    });
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    const answer = isJson ? await response.json() : Buffer.from(await response.arrayBuffer());
    // Who has no credentials has no document either.
    if (isJson && response.status !== 401) await this.#hold(method, path, response.status, answer, headers);
    return { status: response.status, headers: response.headers, body: answer };
  }

  async #hold(
    method: string,
    path: string,
    status: number,
    answer: unknown,
    headers: Record<string, string>,
  ): Promise<void> {
    const { paths, components } = await this.document(headers);
    const [plain] = path.split('?');
    const documented =
      Object.keys(paths).find((known) => known === plain) ??
      Object.keys(paths).find((known) => known.includes('{') && plain!.startsWith(known.replace(/\{.*/, '')));
    const operation = documented === undefined ? undefined : paths[documented]![method.toLowerCase()];
    if (operation === undefined) return;
    const name = `${method} ${documented}`;
    this.answered.set(name, (this.answered.get(name) ?? new Set()).add(status));
    const declared = operation.responses[status]?.content?.['application/json']?.schema;
    const schema = declared !== undefined && !('$ref' in declared) ? declared : components.schemas.Fault;
    const held = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(answer);
    if (!held.success) throw new Error(`${name} ${status} is not as documented: ${held.error.message}`);
  }
}
