/** The gRPC door: every service on one port, over an executor that is given to it. The same on router and shard. */
import type { Executor } from '../../commands/command.ts';
import { GrpcServer, type GrpcServerOptions, type GrpcServerStatistics } from '../../grpc/server.ts';
import type { Door, DoorAddress, DoorLog } from '../door.ts';
import { addBlockService } from './block-service.ts';
import { addCacheService } from './cache-service.ts';
import { addKeyValueService, type RuntimeConfig, type ServiceMetrics } from './kv-service.ts';
import { addReflection, HealthService } from './standard-services.ts';

export interface GrpcDoorOptions extends GrpcServerOptions {
  readonly host: string;
  readonly port: number;
  readonly executor: Executor;
  readonly config: RuntimeConfig;
  readonly log?: DoorLog | undefined;
  readonly metrics?: ServiceMetrics | undefined;
}

const services = ['kvstore.KVStoreService', 'kv.KeyValueService', 'kv.Health', 'kvcache.v1.Cache'];

export class GrpcDoor implements Door {
  readonly protocol = 'grpc';
  readonly #options: GrpcDoorOptions;
  readonly #server: GrpcServer;
  readonly #health: HealthService;

  constructor(options: GrpcDoorOptions) {
    this.#options = options;
    const server = new GrpcServer(options);
    this.#server = server;
    const { executor, config, log, metrics } = options;
    this.#health = new HealthService(server, services);
    addBlockService({ server, executor, log });
    addKeyValueService({ server, executor, log, config, metrics, isServing: () => this.#health.serving });
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
