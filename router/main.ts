/**
 * The router process, composed from its parts.
 *
 *   doors (gRPC, HTTP) ─▶ Router ─▶ LinkSet ─▶ shards
 *
 * It keeps nothing but a copy of the topology, so that it starts while the topology's file is away.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { GrpcDoor } from '../doors/grpc/grpc-door.ts';
import { drainGraceMs, linksReadyMs } from '../limits.ts';
import type { Service } from '../process/serve.ts';
import { listenDoor, makeDataDirectory } from '../process/start.ts';
import type { LiveSettings } from '../settings/live.ts';
import { TopologySource } from '../topology/source.ts';
import { LinkSet } from './link/link-set.ts';
import { Router } from './router.ts';

export async function startRouter(live: LiveSettings, logger: Logger): Promise<Service> {
  const settings = live.current;
  await makeDataDirectory(settings['data.path']);
  const topology = await TopologySource.open({
    file: settings['topology.path'],
    copy: join(settings['data.path'], 'topology.json'),
  });
  topology.on('fault', (fault) => logger.warn(fault, 'the topology document was not taken'));
  topology.on('change', ({ epoch }) => logger.info({ epoch }, 'topology'));
  const links = new LinkSet(topology, {
    onState: ({ shard, state }) => logger.info({ shard, state }, 'link'),
  });
  const router = new Router({
    links,
    topology,
    unavailableReads: settings['router.unavailable_reads'],
    unavailableWrites: settings['router.unavailable_writes'],
  });
  // A shard that is away must not keep the router from serving the others.
  if (!(await links.ready(linksReadyMs))) logger.warn('serving although not every shard is reachable');
  const grpc = new GrpcDoor({
    host: settings['grpc.host'],
    port: settings['grpc.port'],
    maxConnectionAgeMs: settings['grpc.max_connection_age'] || undefined,
    executor: router,
    config: live,
    log: logger,
  });
  const addresses = { grpc: await listenDoor(grpc, settings['grpc.host'], settings['grpc.port']) };
  grpc.serving = true;
  return {
    addresses,
    failed: new Promise(() => undefined),
    stop: async () => {
      await grpc.close(drainGraceMs);
      links.close();
      await topology.close();
    },
  };
}
