/**
 * The settings of a running cluster, for programs: kv.KeyValueService's GetConfig and UpdateConfig.
 *
 *     using client = new ConfigClient();
 *     await client.update({ log_level: 'debug' });
 *     const settings = await client.read(); // { log_level: 'debug', eviction: { batch_size: 100, … }, … }
 *
 * A router answers for itself and all shards; a shard for itself alone.
 */
import { KvcacheError } from '../errors.ts';
import type { ClientMethod } from '../grpc/method.ts';
import {
  GetConfigRequest,
  GetConfigResponse,
  KeyValueServiceService as service,
  UpdateConfigRequest,
  UpdateConfigResponse,
} from '../protos/generated/kv.ts';
import { CallError, callErrorOf, mayRepeatRead } from './call-error.ts';
import type { Channels } from './channels.ts';
import { Endpoint } from './endpoint.ts';
import { type CallOptions, type ClientOptions, deadlineMsOf, retryPolicyOf } from './options.ts';
import { withRetry } from './retry.ts';

const getConfigMethod: ClientMethod<GetConfigRequest, GetConfigResponse> = {
  path: service.getConfig.path,
  requestSerialize: (request) => GetConfigRequest.encode(request).finish(),
  responseDeserialize: (bytes) => GetConfigResponse.decode(bytes),
};

const updateConfigMethod: ClientMethod<UpdateConfigRequest, UpdateConfigResponse> = {
  path: service.updateConfig.path,
  requestSerialize: (request) => UpdateConfigRequest.encode(request).finish(),
  responseDeserialize: (bytes) => UpdateConfigResponse.decode(bytes),
};

export class ConfigClient {
  /** host:port, or several with commas between them. */
  readonly server: string;
  readonly #options: ClientOptions;
  readonly #endpoint: Endpoint;
  readonly #channels: Channels;

  constructor(options: ClientOptions = {}) {
    this.#endpoint = new Endpoint(options);
    this.server = this.#endpoint.server;
    this.#options = options;
    this.#channels = this.#endpoint.channels();
  }

  /** Nested by the dots of their names: sizes in bytes, durations in seconds, secrets masked. */
  async read(options?: CallOptions): Promise<Record<string, unknown>> {
    const { config, error } = await this.#call(getConfigMethod, {}, options);
    if (error !== '') throw new CallError('ERR', error, true);
    return JSON.parse(config) as Record<string, unknown>;
  }

  /**
   * Changes settings that may change at run time, nested or by dotted names, on all shards. Everything is checked
   * before anything is changed; rejects with CONFIG and a line for each fault.
   */
  async update(settings: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<void> {
    const request = { config: JSON.stringify(settings) };
    const { success, error } = await this.#call(updateConfigMethod, request, options);
    if (!success) throw new KvcacheError('CONFIG', error);
  }

  close(): void {
    this.#channels.close();
    this.#endpoint.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Both may be tried again: the same change made twice is the change made once. */
  #call<Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Request,
    options: CallOptions | undefined,
  ): Promise<Response> {
    const deadlineMs = deadlineMsOf(this.#options, options);
    const signal = options?.signal;
    const attempt = async (): Promise<Response> => {
      const channel = this.#channels.choose();
      try {
        return await channel.unary(method, request, { deadlineMs, signal });
      } catch (cause) {
        throw callErrorOf(cause, channel.target);
      }
    };
    return withRetry(attempt, { policy: retryPolicyOf(this.#options), deadlineMs, signal, mayRetry: mayRepeatRead });
  }
}
