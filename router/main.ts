/**
 * The router process, composed from its parts.
 *
 *   doors (gRPC, HTTP) ─▶ Router ─▶ LinkSet ─▶ shards
 *   internal port ─▶ topology, ROUTERINFO, settings
 *
 * It keeps nothing but a copy of the topology, so that it starts while the topology's file is away, and what was changed
 * of its settings while it ran.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { linksReadyMs } from '../limits.ts';
import { InternalExecutor } from '../link/internal-executor.ts';
import { SettingsExchange } from '../link/settings-exchange.ts';
import { topologyCommands, TopologyExchange } from '../link/topology-exchange.ts';
import { collectByShare } from '../process/collect-by-share.ts';
import { InternalPort } from '../process/internal-port.ts';
import type { Service } from '../process/serve.ts';
import { PublicDoors } from '../process/public-doors.ts';
import { changeSettings, shownSettings } from '../process/settings-commands.ts';
import { makeDataDirectory } from '../process/start.ts';
import { linkSecurity } from '../security/link-security.ts';
import { KeptSettings } from '../settings/kept.ts';
import type { LiveSettings } from '../settings/live.ts';
import { TopologySource } from '../topology/source.ts';
import { ClusterSettings } from './cluster-settings.ts';
import { LinkSet } from '../link/link-set.ts';
import { routerInfo } from './info.ts';
import { addRouterMetrics } from './metrics.ts';
import { Router } from './router.ts';

export async function startRouter(live: LiveSettings, logger: Logger): Promise<Service> {
  collectByShare('router');
  const settings = live.current;
  await makeDataDirectory(settings['data.path']);
  const kept = new KeptSettings(live, join(settings['data.path'], 'settings.json'), logger);
  const doors = new PublicDoors(live, logger);
  const security = linkSecurity(settings, logger);
  await doors.open();
  const topology = await TopologySource.open({
    file: settings['topology.path'],
    copy: join(settings['data.path'], 'topology.json'),
  });
  topology.on('fault', (fault) => logger.warn(fault, 'the topology document was not taken'));
  topology.on('change', ({ epoch }) => logger.info({ epoch }, 'topology'));
  const exchange = new TopologyExchange(topology, (shard, reason) =>
    logger.warn({ shard, reason }, 'topologies could not be exchanged'),
  );
  const settingsExchange = new SettingsExchange(
    () => links.all(),
    (shard, reason) => logger.warn({ shard, reason }, 'changes of settings could not be exchanged'),
  );
  const links: LinkSet = new LinkSet(topology, {
    ...security.client,
    onState: (link) => {
      logger.info({ shard: link.shard, state: link.state, fault: link.fault }, 'link');
      if (link.state === 'ready') void settingsExchange.onReady();
    },
    onEpoch: (link) => exchange.onEpoch(link),
  });
  const router = new Router({
    links,
    topology,
    unavailableReads: settings['router.unavailable_reads'],
    unavailableWrites: settings['router.unavailable_writes'],
  });
  const name = settings['router.name'] ?? hostname();
  const info = { arguments: 0, run: () => Buffer.from(JSON.stringify(routerInfo(name, router))) };
  const commands = {
    ...topologyCommands(topology),
    ROUTERINFO: info,
    'SETTINGS.GET': { arguments: 0, run: () => shownSettings(kept) },
    'SETTINGS.SET': { arguments: 1, run: (args: readonly Buffer[]) => changeSettings(kept, args) },
  };
  const executor = new InternalExecutor(commands);
  const internal = new InternalPort({ live, name, executor, topology, security, figures: doors.figures });
  const linkAddress = await internal.listen();
  addRouterMetrics(doors.registry, { router, grpc: () => doors.grpcStatistics() });
  // A shard that is away must not keep the router from serving the others.
  if (!(await links.ready(linksReadyMs))) logger.warn('serving although not every shard is reachable');
  await doors.serve(router, new ClusterSettings(kept, router, () => settingsExchange.nextStamp()), {
    role: 'router',
    name,
    slots: () => topology.slots,
    links: () => router.stats().links,
  });
  return {
    addresses: { ...doors.addresses, link: linkAddress },
    failed: new Promise(() => undefined),
    stop: async () => {
      await Promise.all([doors.drain(), internal.drain()]);
      await internal.close();
      exchange.close();
      links.close();
      security.close();
      await topology.close();
      await doors.close();
    },
  };
}
