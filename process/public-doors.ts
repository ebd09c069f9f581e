/**
 * The doors that clients and orchestrators use, the same on shard and router: HTTP, which is there first and goes last
 * for its health and metrics, and gRPC, RESP and the binary protocol (TCP), which are there while the process serves.
 * Each can be left out (`grpc.enabled` and so on); without HTTP nobody is told of health.
 *
 *   open()          /health 200, /ready 503 "starting", the API 503
 *   serve(executor) gRPC, RESP and TCP listen; HTTP serves the API; /ready 200
 *   drain()         /ready 503 "stopping"; gRPC, RESP, TCP and the API take nothing new and finish what they have
 *   close()         HTTP ends
 */
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Executor } from '../commands/command.ts';
import { GrpcDoor } from '../doors/grpc/grpc-door.ts';
import { apiRoutes } from '../doors/http/api.ts';
import { HttpDoor } from '../doors/http/http-door.ts';
import type { ClusterView } from '../doors/http/rest/cluster-view.ts';
import { addStorageGauges, KvMetrics, MeasuredExecutor } from '../doors/measured-executor.ts';
import { SingleNode } from '../doors/resp/cluster-nodes.ts';
import type { ReceiveMemory } from '../receive-memory.ts';
import { RespDoor, type RespStatistics } from '../doors/resp/resp-door.ts';
import { TcpDoor } from '../doors/tcp/tcp-door.ts';
import type { RuntimeConfig, SettingFacts } from '../doors/runtime-config.ts';
import type { GrpcServerStatistics } from '../grpc/server.ts';
import { drainGraceMs, socketInFlightBytesMax } from '../limits.ts';
import { type DoorSecurity, doorSecurity } from '../security/door-security.ts';
import { SecurityFigures } from '../security/figures.ts';
import type { LiveSettings } from '../settings/live.ts';
import { settingNames, settingOf } from '../settings/schema.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';
import { gauge, observe, processRegistry, respMetrics, securityMetrics, tcpMetrics } from './metrics.ts';
import { ShardNodes } from './shard-nodes.ts';
import { listenDoor } from './start.ts';
import { readVersion } from './version.ts';

const nothingServed: GrpcServerStatistics = { connections: 0, streams: 0, bytesInFlight: 0, refused: 0 };

export class PublicDoors {
  readonly registry: Registry = processRegistry();
  /** Of all doors of the process, the internal port included. */
  readonly figures = new SecurityFigures();
  /** What /health and the health services of gRPC tell an orchestrator, which starts a process again that says no for a minute. */
  isHealthy: () => boolean = () => true;
  readonly #live: LiveSettings;
  readonly #logger: Logger;
  readonly #metrics: KvMetrics;
  readonly #security: DoorSecurity;
  readonly #http: HttpDoor;
  readonly #tokenizer = new Tokenizer();
  readonly #addresses: Record<string, string> = {};
  #grpc: GrpcDoor | undefined;
  #resp: RespDoor | undefined;
  #tcp: TcpDoor | undefined;
  #unready: string | undefined = 'starting';

  /** Throws KvcacheError CONFIG for certificates and secrets that are missing or wrong. */
  constructor(live: LiveSettings, logger: Logger) {
    const settings = live.current;
    this.#live = live;
    this.#logger = logger;
    this.#metrics = new KvMetrics(this.registry);
    this.#security = doorSecurity(settings, logger);
    this.figures.addCertificate('doors', this.#security.certificateExpirySeconds);
    observe(this.registry, securityMetrics(this.figures));
    this.#http = new HttpDoor({
      host: settings['http.host'],
      port: settings['http.port'],
      registry: settings['monitoring.enabled'] ? this.registry : undefined,
      isHealthy: () => this.isHealthy(),
      unreadyReasons: () => (this.#unready === undefined ? [] : [this.#unready]),
      metricsPath: settings['monitoring.metrics_path'],
      healthPath: settings['monitoring.health_path'],
      metrics: this.#metrics,
      log: logger,
      security: this.#security,
      refusals: this.figures.refusals,
      isMetricsOpen: settings['auth.metrics_open'],
    });
    observe(this.registry, [
      gauge('kvcache_http_requests', 'Requests of HTTP that are not answered yet.', () => this.#http.underWay),
      gauge('kvcache_http_in_flight_bytes', 'Bytes of their bodies and answers.', () => this.#http.bytesInFlight),
    ]);
  }

  /** host:port by protocol. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses;
  }

  grpcStatistics(): GrpcServerStatistics {
    return this.#grpc?.statistics ?? nothingServed;
  }

  /** Bytes of messages, bodies and answers of all doors. */
  get bytesInFlight(): number {
    const ofResp = this.#resp?.statistics.bytesInFlight ?? 0;
    const ofTcp = this.#tcp?.statistics.bytesInFlight ?? 0;
    return this.grpcStatistics().bytesInFlight + this.#http.bytesInFlight + ofResp + ofTcp;
  }

  async open(): Promise<void> {
    if (this.#live.current['http.enabled']) await this.#listen(this.#http);
  }

  /**
   * `config` is what clients may read and change, `view` what they may see of the cluster; large values are received in
   * `memory`, if there is one.
   */
  async serve(executor: Executor, config: RuntimeConfig, view: ClusterView, memory?: ReceiveMemory): Promise<void> {
    const settings = this.#live.current;
    addStorageGauges(this.registry, executor);
    const measured = new MeasuredExecutor(executor, this.#metrics);
    if (settings['grpc.enabled']) {
      this.#grpc = this.#grpcDoor(measured, config, memory);
      await this.#listen(this.#grpc);
    }
    if (settings['resp.enabled']) {
      this.#resp = this.#respDoor(measured, config, view, memory);
      await this.#listen(this.#resp);
    }
    if (settings['tcp.enabled']) {
      this.#tcp = this.#tcpDoor(measured);
      await this.#listen(this.#tcp);
    }
    this.#http.serve(
      apiRoutes({
        executor: measured,
        config,
        settings: settingFacts(),
        metrics: this.#metrics,
        view,
        tokenizer: this.#tokenizer,
        watching: this.#http.watching,
        info: { version: readVersion(), security: this.#security.authenticator.kinds },
      }),
    );
    if (this.#grpc) this.#grpc.serving = true;
    this.#unready = undefined;
  }

  async #listen(door: HttpDoor | GrpcDoor | RespDoor | TcpDoor): Promise<void> {
    const { protocol } = door;
    const { [`${protocol}.host` as const]: host, [`${protocol}.port` as const]: port } = this.#live.current;
    this.#addresses[protocol] = await listenDoor(door, host, port);
  }

  #grpcDoor(executor: Executor, config: RuntimeConfig, memory: ReceiveMemory | undefined): GrpcDoor {
    const { 'grpc.host': host, 'grpc.port': port, 'grpc.max_connection_age': ageMs } = this.#live.current;
    return new GrpcDoor({
      host,
      port,
      maxConnectionAgeMs: ageMs === 0 ? undefined : ageMs,
      executor,
      memory,
      config,
      metrics: this.#metrics,
      log: this.#logger,
      security: this.#security,
      refusals: this.figures.refusals,
      isHealthy: () => this.isHealthy(),
    });
  }

  #respDoor(executor: Executor, config: RuntimeConfig, view: ClusterView, memory: ReceiveMemory | undefined): RespDoor {
    const settings = this.#live.current;
    const door: RespDoor = new RespDoor({
      host: settings['resp.host'],
      port: settings['resp.port'],
      executor,
      memory,
      settings: config,
      cluster: view.role === 'shard' ? new ShardNodes(view.slots, view.name) : new SingleNode(view.name),
      authenticator: this.#security.authenticator,
      tls: this.#security.tls,
      refusals: this.figures.refusals,
      log: this.#logger,
      connectionsMax: settings['resp.max_connections'],
      idleTimeoutMs: () => this.#live.current['resp.idle_timeout'],
      // What a shard may use in all bounds what its clients may have on the way.
      inFlightBytesMax: this.#live.role === 'shard' ? settings['memory.limit'] / 4 : socketInFlightBytesMax,
    });
    const statistics = (): RespStatistics => door.statistics;
    observe(this.registry, respMetrics(statistics));
    return door;
  }

  #tcpDoor(executor: Executor): TcpDoor {
    const settings = this.#live.current;
    const door = new TcpDoor({
      host: settings['tcp.host'],
      port: settings['tcp.port'],
      executor,
      authenticator: this.#security.authenticator,
      tls: this.#security.tls,
      refusals: this.figures.refusals,
      log: this.#logger,
      connectionsMax: settings['tcp.max_connections'],
      idleTimeoutMs: () => this.#live.current['tcp.idle_timeout'],
      inFlightBytesMax: this.#live.role === 'shard' ? settings['memory.limit'] / 4 : socketInFlightBytesMax,
    });
    observe(
      this.registry,
      tcpMetrics(() => door.statistics),
    );
    return door;
  }

  async drain(): Promise<void> {
    this.#unready = 'stopping';
    await Promise.all([
      this.#grpc?.close(drainGraceMs),
      this.#resp?.close(drainGraceMs),
      this.#tcp?.close(drainGraceMs),
      this.#http.drain(drainGraceMs),
    ]);
  }

  async close(): Promise<void> {
    await this.#http.close(0);
    this.#tokenizer.close();
    this.#security.close();
  }
}

function settingFacts(): SettingFacts[] {
  return settingNames.map((name) => {
    const { description, type, changeable } = settingOf(name);
    return { name, description, expected: type.expected, isChangeable: changeable };
  });
}
