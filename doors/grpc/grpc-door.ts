/** The gRPC door: every service on one port, over an executor that is given to it. The same on router and shard. */
import type { Executor } from '../../commands/command.ts';
import { GrpcServer, type GrpcServerOptions, type GrpcServerStatistics } from '../../grpc/server.ts';
import type { ReceiveMemory } from '../../receive-memory.ts';
import type { Authenticator } from '../../security/authenticator.ts';
import type { Refusals } from '../../security/figures.ts';
import type { ServerTlsSource } from '../../security/tls.ts';
import { authorizer } from './authorize.ts';
import type { Door, DoorAddress, DoorLog } from '../door.ts';
import { addBlockService } from './block-service.ts';
import { addCacheService } from './cache-service.ts';
import type { RuntimeConfig } from '../runtime-config.ts';
import { addKeyValueStoreService } from './key-value-store-service.ts';
import { addKeyValueService, type ServiceMetrics } from './kv-service.ts';
import { addVersionedServices } from './versioned-service.ts';
import { addReflection, HealthService } from './standard-services.ts';

export interface GrpcDoorOptions extends Omit<GrpcServerOptions, 'tls' | 'authorize' | 'onHandshakeFault'> {
  readonly host: string;
  readonly port: number;
  readonly executor: Executor;
  /** For blocks and values that are written; absent: new memory for each. */
  readonly memory?: ReceiveMemory | undefined;
  readonly config: RuntimeConfig;
  readonly log?: DoorLog | undefined;
  readonly metrics?: ServiceMetrics | undefined;
  /** Undefined: plain text, and everybody may call. */
  readonly security?: { readonly tls?: ServerTlsSource | undefined; readonly authenticator: Authenticator } | undefined;
  readonly refusals?: Refusals | undefined;
  /** What the health services answer besides: false where only a new process helps. */
  readonly isHealthy?: (() => boolean) | undefined;
}

const services = [
  'kvstore.KVStoreService',
  'kvstore.KeyValueStore',
  'kvstore.KVStore',
  'kvstore.KVInternal',
  'kvstore.Membership',
  'kv.KeyValueService',
  'kv.Health',
  'kvcache.v1.Cache',
];

export class GrpcDoor implements Door {
  readonly protocol = 'grpc';
  readonly #options: GrpcDoorOptions;
  readonly #server: GrpcServer;
  readonly #health: HealthService;

  constructor(options: GrpcDoorOptions) {
    this.#options = options;
    const { executor, memory, config, log, metrics, security, refusals, isHealthy } = options;
    const server = new GrpcServer({
      ...options,
      tls: security?.tls,
      authorize: security && authorizer(security.authenticator, refusals),
      onHandshakeFault: (fault) => refusals?.add('grpc', fault),
    });
    this.#server = server;
    this.#health = new HealthService(server, services, isHealthy);
    addBlockService({ server, executor, log, memory });
    addKeyValueService({ server, executor, log, memory, config, metrics, isServing: () => this.#health.serving });
    addKeyValueStoreService({ server, executor, log, memory });
    addVersionedServices({ server, executor, log });
    addCacheService(server, executor);
    addReflection(server, [...services, 'grpc.health.v1.Health']);
  }

  get statistics(): GrpcServerStatistics {
    return this.#server.statistics;
  }

  /** What the health services answer; false until the process says otherwise. */
  set serving(serving: boolean) {
    this.#health.serving = serving;
  }

  async listen(): Promise<DoorAddress> {
    const { host, port } = this.#options;
    return { host, port: await this.#server.listen(host, port) };
  }

  /** Health answers NOT_SERVING from now on, so that balancers look elsewhere while calls finish. */
  async close(graceMs: number): Promise<void> {
    this.#health.serving = false;
    await this.#server.close(graceMs);
  }
}
