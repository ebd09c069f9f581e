/**
 * The shard process, composed from its parts.
 *
 *   doors (gRPC, HTTP) ─┐
 *                       ├─▶ OwnershipExecutor ─▶ Engine ─▶ KeyIndex, HotTier, Storage ─▶ log, Blob
 *   link (routers) ─────┘
 *
 * Start: health first (alive, not ready), then topology, recovery, link, doors, ready. Stop: not ready, doors and link
 * drain, the engine refuses what still waits, storage flushes to disk and Blob.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { OK } from '../commands/reply.ts';
import { addCacheService } from '../doors/grpc/cache-service.ts';
import { KvcacheError } from '../errors.ts';
import { GrpcServer } from '../grpc/server.ts';
import { drainGraceMs } from '../limits.ts';
import type { Service } from '../process/serve.ts';
import type { Settings } from '../settings/schema.ts';
import { singleShardTopology } from '../topology/place.ts';
import { TopologySource } from '../topology/source.ts';
import { systemClock } from './clock.ts';
import { HotTier } from './hot/hot-tier.ts';
import { type ShardParts, shardInfo } from './info.ts';
import { Engine } from './keyspace/engine.ts';
import { KeyIndex } from './keyspace/key-index.ts';
import type { CommandHandler } from './keyspace/handler.ts';
import { OwnershipExecutor } from './link/ownership.ts';
import { LinkServer, linkServerOptions } from './link/server.ts';
import { openShardStorage } from './open-storage.ts';
import type { Storage } from './storage/storage.ts';

export async function startShard(settings: Settings, logger: Logger): Promise<Service> {
  const name = settings['shard.name'];
  const dataDirectory = settings['data.path'];
  await makeDirectory(dataDirectory);
  const failed = Promise.withResolvers<KvcacheError>();

  const topology = await TopologySource.open({
    file: settings['topology.path'],
    copy: join(dataDirectory, 'topology.json'),
    fallback: singleShardTopology(name, `${settings['link.host']}:${settings['link.port']}`),
  });
  topology.on('fault', (fault) => logger.warn(fault, 'the topology document was not taken'));
  topology.on('change', ({ epoch }) => logger.info({ epoch }, 'topology'));

  const hot = new HotTier({ limitBytes: settings['hot.size'] });
  const index = new KeyIndex(hot, systemClock);
  const { storage, writeBehind } = await openShardStorage(settings, index, topology, logger, (reason) =>
    failed.resolve(new KvcacheError('FENCED', reason)),
  );
  const engine = new Engine({
    clock: systemClock,
    index,
    hot,
    journal: storage,
    options: {
      acknowledgement: settings.acknowledgement,
      minimumAcknowledgement: settings['log.fsync'] === 'always' ? 'disk' : 'memory',
      diskThresholdBytes: settings['value.disk_threshold'],
    },
    extraCommands: new Map([
      ['FLUSH', flushCommand(storage)],
      ['SHARDINFO', () => Buffer.from(JSON.stringify(shardInfo(parts)))],
    ]),
  });
  const diskBytesMax = settings['disk.size'];
  const parts: ShardParts = { name, dataDirectory, diskBytesMax, topology, engine, storage, writeBehind };
  const executor = new OwnershipExecutor(engine, topology, name);

  const link = new LinkServer({ shard: name, executor, epoch: () => topology.slots.epoch });
  const linkServer = new GrpcServer(linkServerOptions);
  link.register(linkServer);
  const linkPort = await listen(linkServer, 'link', settings['link.host'], settings['link.port']);

  const grpc = new GrpcServer();
  addCacheService(grpc, executor);
  const grpcPort = await listen(grpc, 'grpc', settings['grpc.host'], settings['grpc.port']);

  return {
    addresses: { link: `${settings['link.host']}:${linkPort}`, grpc: `${settings['grpc.host']}:${grpcPort}` },
    failed: failed.promise,
    stop: async () => {
      await Promise.all([grpc.close(drainGraceMs), link.close(drainGraceMs)]);
      await linkServer.close(drainGraceMs);
      engine.close();
      await storage.close({ flush: true });
      await topology.close();
    },
  };
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError('CONFIG', `data.path is '${path}', which cannot be made (${reason}); choose another folder`);
  }
}

async function listen(server: GrpcServer, door: 'grpc' | 'link', host: string, port: number): Promise<number> {
  try {
    return await server.listen(host, port);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new KvcacheError(
      'CONFIG',
      reason === 'EADDRINUSE'
        ? `${door}.port is ${port}, which another process listens on; end that process or set another port`
        : `${door}.host is '${host}' and ${door}.port ${port}: cannot listen there (${reason})`,
    );
  }
}

function flushCommand(storage: Storage): CommandHandler {
  return async ([level]) => {
    const word = level!.toString('latin1').toLowerCase();
    if (word !== 'disk' && word !== 'blob') throw new KvcacheError('ERR', "FLUSH takes 'disk' or 'blob'");
    await storage.flush(word);
    return OK;
  };
}
