/**
 * The operator process, composed from its parts.
 *
 *   informers ─keys─▶ queue ─▶ Reconciler ─▶ API server (fenced by the lease), pods (over the link)
 *
 * Every replica watches, so that the next leader has its picture ready; only the leader works on keys. A leader that loses
 * its lease ends the process: everything in its memory was decided by somebody who leads no more. Stop: begin nothing new,
 * finish what runs, give the lease to whoever wants it, close.
 */
import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { KvcacheError, messageOf } from '../errors.ts';
import { DeadlineWheel } from '../grpc/deadline-wheel.ts';
import { kubeResyncIntervalMs, operatorStuckMs, reconcileConcurrencyMax } from '../limits.ts';
import { gauge, observe, processRegistry } from '../process/metrics.ts';
import type { Service } from '../process/serve.ts';
import { listenDoor } from '../process/start.ts';
import type { LiveSettings } from '../settings/live.ts';
import type { Settings } from '../settings/schema.ts';
import { KubeClient } from './kube/client.ts';
import { type Credentials, defaultCredentials } from './kube/credentials.ts';
import { EventRecorder } from './kube/event-recorder.ts';
import { LeaderElection } from './kube/lease.ts';
import { observeKube, operatorDoor, workDurations } from './kube/metrics.ts';
import { WorkQueue } from './kube/work-queue.ts';
import type { ManifestContext } from './manifests/manifest.ts';
import { CacheSecrets } from './reconcile/cache-secrets.ts';
import { ClusterFacts } from './reconcile/cluster-facts.ts';
import { Informers } from './reconcile/informers.ts';
import { Observer } from './reconcile/observer.ts';
import { Reconciler } from './reconcile/reconciler.ts';

/** On the operator's own pods, whoever installs it: by these a NetworkPolicy lets it in. */
const operatorLabels = { 'app.kubernetes.io/name': 'kvcache-operator', 'app.kubernetes.io/component': 'operator' };
const dashboardFile = new URL('../charts/kvcache/dashboards/kvcache.json', import.meta.url);

export interface OperatorOptions {
  readonly version: string;
  /** Instead of those that the settings lead to. */
  readonly credentials?: Credentials;
}

export async function startOperator(live: LiveSettings, logger: Logger, options: OperatorOptions): Promise<Service> {
  const settings = live.current;
  const credentials = options.credentials ?? (await credentialsOf(settings));
  const namespace = settings['operator.namespace'] ?? credentials.namespace ?? 'default';
  const pod = settings['operator.pod'] ?? hostname();
  const client = new KubeClient({ credentials, userAgent: `kvcache-operator/${options.version}` });
  const failed = Promise.withResolvers<KvcacheError>();
  const election = settings['operator.leader_election']
    ? new LeaderElection({
        client,
        namespace,
        name: settings['operator.lease'],
        identity: `${pod}_${randomUUID()}`,
        log: logger,
        onLost: (reason) => failed.resolve(new KvcacheError('FENCED', `the operator leads no more: ${reason}`)),
      })
    : undefined;
  const writer = election === undefined ? client : client.fencedBy(election);
  const events = new EventRecorder({ client: writer, controller: 'kvcache.dev/operator', instance: pod, log: logger });
  const informers = new Informers({ client, namespaces: watchedNamespaces(settings), log: logger });
  const secrets = new CacheSecrets(writer);
  const facts = new ClusterFacts(client);
  const observer = new Observer({ informers, facts, secrets, deadlines: new DeadlineWheel(), log: logger });
  const context = await contextOf(settings, namespace);
  const reconciler = new Reconciler({
    client: writer,
    informers,
    observer,
    secrets,
    facts,
    events,
    log: logger,
    context,
  });
  const registry = processRegistry();
  const queue = new WorkQueue({
    name: 'kvcaches',
    workers: reconcileConcurrencyMax,
    work: (key, signal) => reconciler.reconcile(key, signal),
    log: logger,
    resync: { intervalMs: kubeResyncIntervalMs, keys: () => informers.caches.store.keys() },
    onWorked: workDurations(registry)('kvcaches'),
  });
  informers.subscribe((key) => queue.add(key));
  observeKube(registry, { client, election, events, queues: [queue], informers: informers.all });
  observe(registry, [
    gauge('kvcache_operator_caches', 'KVCaches that are looked after.', () => informers.caches.store.size),
    gauge('kvcache_operator_links', 'Links to pods that are open.', () => observer.links),
  ]);
  const door = operatorDoor({
    host: settings['http.host'],
    port: settings['http.port'],
    registry,
    isHealthy: () => queue.statistics.longestRunningMs < operatorStuckMs,
    unreadyReasons: () => (informers.haveSynced ? [] : ['not everything has been listed yet']),
    log: logger,
  });
  const http = await listenDoor(door, settings['http.host'], settings['http.port']);
  informers.start();
  election?.start();
  void begin(informers, election, queue, logger).catch((error: unknown) => {
    failed.resolve(new KvcacheError('ERR', `the operator cannot go on: ${messageOf(error)}`, { cause: error }));
  });
  return {
    addresses: { http },
    failed: failed.promise,
    stop: async () => {
      const isDrained = await queue.stop();
      if (!isDrained) logger.warn({}, 'work that is under way did not end in time');
      await events.stop();
      await election?.release();
      await informers.stop();
      observer.close();
      client.close();
      await door.close(0);
    },
  };
}

/** Work begins once the picture is whole and this replica leads. */
async function begin(
  informers: Informers,
  election: LeaderElection | undefined,
  queue: WorkQueue,
  logger: Logger,
): Promise<void> {
  if (!(await informers.whenSynced())) return;
  logger.info({ caches: informers.caches.store.size }, 'everything has been listed');
  if (election !== undefined && !(await election.whenElected())) return;
  queue.start();
}

function credentialsOf(settings: Settings): Promise<Credentials> {
  return defaultCredentials({ file: settings['operator.kubeconfig'], context: settings['operator.context'] });
}

function watchedNamespaces(settings: Settings): readonly string[] {
  return settings['operator.watch_namespaces']?.split(',') ?? [];
}

async function contextOf(
  settings: Settings,
  namespace: string,
): Promise<Pick<ManifestContext, 'image' | 'operator' | 'dashboard'>> {
  const image = settings['operator.image'];
  if (image === undefined) {
    throw new KvcacheError('CONFIG', 'operator.image is missing; set it to the image of shards and routers');
  }
  const operator = { namespace, podLabels: operatorLabels };
  return { image, operator, dashboard: await readFile(dashboardFile, 'utf8') };
}
