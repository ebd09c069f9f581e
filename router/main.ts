/**
 * The router process, composed from its parts.
 *
 *   doors (gRPC, HTTP) ─▶ Router ─▶ LinkSet ─▶ shards
 *
 * It keeps nothing but a copy of the topology, so that it starts while the topology's file is away.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { addCacheService } from '../doors/grpc/cache-service.ts';
import { GrpcServer } from '../grpc/server.ts';
import { drainGraceMs, linksReadyMs } from '../limits.ts';
import type { Service } from '../process/serve.ts';
import type { Settings } from '../settings/schema.ts';
import { TopologySource } from '../topology/source.ts';
import { LinkSet } from './link/link-set.ts';
import { Router } from './router.ts';

export async function startRouter(settings: Settings, logger: Logger): Promise<Service> {
  await mkdir(settings['data.path'], { recursive: true });
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
  const grpc = new GrpcServer();
  addCacheService(grpc, router);
  const grpcPort = await grpc.listen(settings['grpc.host'], settings['grpc.port']);
  return {
    addresses: { grpc: `${settings['grpc.host']}:${grpcPort}` },
    failed: new Promise(() => undefined),
    stop: async () => {
      await grpc.close(drainGraceMs);
      links.close();
      await topology.close();
    },
  };
}
