/**
 * The shard process, composed from its parts.
 *
 *   doors (gRPC, RESP, HTTP) ─┐
 *                             ├─▶ OwnershipExecutor ─▶ Engine ─▶ KeyIndex, HotTier, Storage ─▶ log, Blob
 *   link (routers, shards) ───┘          │
 *                                     Handover ◀─▶ other shards
 *
 * Start: health first (alive, not ready), then topology, recovery, link, doors, ready. Stop: not ready, doors and link
 * drain, the engine refuses what still waits, storage flushes to disk and Blob.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { OK } from '../commands/reply.ts';
import { KvcacheError } from '../errors.ts';
import { DeadlineWheel } from '../grpc/deadline-wheel.ts';
import { blobBlockBytes, blobBlocksInFlightMax } from '../limits.ts';
import type { LinkServer } from '../link/server.ts';
import { InternalExecutor } from '../link/internal-executor.ts';
import { ShardLink } from '../link/shard-link.ts';
import { topologyCommands, TopologyExchange } from '../link/topology-exchange.ts';
import { InternalPort } from '../process/internal-port.ts';
import { collectByShare } from '../process/collect-by-share.ts';
import type { Service } from '../process/serve.ts';
import { PublicDoors } from '../process/public-doors.ts';
import { changeSettings, settingsCommands, shownSettings } from '../process/settings-commands.ts';
import { makeDataDirectory } from '../process/start.ts';
import { linkSecurity } from '../security/link-security.ts';
import { KeptSettings } from '../settings/kept.ts';
import type { LiveSettings } from '../settings/live.ts';
import { singleShardTopology } from '../topology/place.ts';
import { TopologySource } from '../topology/source.ts';
import { systemClock } from './clock.ts';
import { HotTier } from './hot/hot-tier.ts';
import { MemoryBudget } from './hot/memory-budget.ts';
import { type ShardParts, shardInfo } from './info.ts';
import { blockInfo, keyInfo } from './value-info.ts';
import { LiveKeyspaceOptions } from './live-options.ts';
import { Engine } from './keyspace/engine.ts';
import { KeyIndex } from './keyspace/key-index.ts';
import type { CommandHandler } from './keyspace/handler.ts';
import { addShardMetrics } from './metrics.ts';
import { OwnershipExecutor } from './ownership.ts';
import { Handover } from './handover/handover.ts';
import { handoverCommands, HandoverSource } from './handover/source.ts';
import { SlotStates } from './handover/slot-states.ts';
import { openShardStorage } from './open-storage.ts';
import type { Storage } from './storage/storage.ts';
import { freeBytesMaxOf, ValueMemory } from './value-memory.ts';

export async function startShard(live: LiveSettings, logger: Logger): Promise<Service> {
  const settings = live.current;
  collectByShare('shard', settings['memory.limit']);
  const name = settings['shard.name'];
  const dataDirectory = settings['data.path'];
  await makeDataDirectory(dataDirectory);
  const kept = new KeptSettings(live, join(dataDirectory, 'settings.json'), logger);
  const failed = Promise.withResolvers<KvcacheError>();
  const doors = new PublicDoors(live, logger);
  const security = linkSecurity(settings, logger);
  await doors.open();

  const topology = await TopologySource.open({
    file: settings['topology.path'],
    copy: join(dataDirectory, 'topology.json'),
    fallback: singleShardTopology(name, `${settings['link.host']}:${settings['link.port']}`),
  });
  topology.on('fault', (fault) => logger.warn(fault, 'the topology document was not taken'));
  topology.on('change', ({ epoch }) => logger.info({ epoch }, 'topology'));

  const states = new SlotStates(topology, name);
  const memory = new ValueMemory({ freeBytesMax: freeBytesMaxOf(settings['memory.limit']) });
  const hot = new HotTier({ limitBytes: settings['hot.size'] });
  const index = new KeyIndex(hot, systemClock);
  const { storage, writeBehind, topologyBlob } = await openShardStorage(live, index, topology, logger, (reason) =>
    failed.resolve(new KvcacheError('FENCED', reason)),
  );
  const engine = new Engine({
    clock: systemClock,
    index,
    hot,
    journal: storage,
    options: new LiveKeyspaceOptions(live, states),
    extraCommands: new Map([
      ['FLUSH', flushCommand(storage)],
      ['SHARDINFO', () => Buffer.from(JSON.stringify(shardInfo(parts, link.stats().sessions)))],
      ['KEY.INFO', ([key]) => keyInfo(engine.keyspace, storage, key!)],
      ['BLOCK.INFO', ([key]) => blockInfo(engine.keyspace, storage, key!)],
      ['SETTINGS.GET', () => shownSettings(kept)],
      ['SETTINGS.SET', (args) => changeSettings(kept, args)],
    ]),
  });
  // Fenced, or without a log that goes on, only a new process helps. An end that was asked for is no fault.
  doors.isHealthy = () => storage.fault === undefined || storage.fault.code === 'SHUTDOWN';
  // Records may be younger than this machine's clock: nothing that they saw expire comes back.
  engine.observeTime(storage.log.now());
  const { keyspace } = engine;
  const exchange = new TopologyExchange(topology, (shard, reason) =>
    logger.warn({ shard, reason }, 'topologies could not be exchanged'),
  );
  const deadlines = new DeadlineWheel();
  const handover = new Handover({
    topology,
    states,
    keyspace,
    storage,
    openLink: (shard, address) =>
      new ShardLink({ ...security.client, shard, address, deadlines, onEpoch: (link) => exchange.onEpoch(link) }),
    hasBlob: writeBehind !== undefined,
    bandwidth: () => live.current['handover.bandwidth'],
    logger,
  });
  const diskBytesMax = settings['disk.size'];
  const parts: ShardParts = { name, dataDirectory, diskBytesMax, topology, engine, storage, writeBehind, handover };
  const executor = new OwnershipExecutor(engine, topology, name, {
    hasClosed: () => states.hasClosed,
    closed: () => states.closed(),
    isClosed: (slot) => states.isClosed(slot),
    ready: (slots, deadlineMs) => handover.ready(slots, deadlineMs),
  });
  const source = new HandoverSource(keyspace, states, topology, storage);
  const commands = { ...topologyCommands(topology), ...handoverCommands(source), ...settingsCommands(kept) };
  const internal = new InternalPort({
    live,
    name,
    executor: new InternalExecutor(commands, executor),
    topology,
    security,
    figures: doors.figures,
    memory,
  });
  const { link } = internal;
  const budget = new MemoryBudget({
    limitBytes: settings['memory.limit'],
    hotBytesMax: settings['hot.size'],
    hot,
    clock: systemClock,
    indexBytes: () => index.bytes,
    otherBytes: () => bytesInFlight(parts, link, doors) + memory.freeBytes,
    residentBytes: () => process.memoryUsage.rss(),
  });
  addShardMetrics(doors.registry, { ...parts, link, budget, grpc: () => doors.grpcStatistics() });
  const linkAddress = await internal.listen();
  await doors.serve(executor, kept, { role: 'shard', name, slots: () => topology.slots }, memory);

  return {
    addresses: { ...doors.addresses, link: linkAddress },
    failed: failed.promise,
    stop: async () => {
      await Promise.all([doors.drain(), internal.drain()]);
      await internal.close();
      exchange.close();
      await handover.close();
      security.close();
      budget.close();
      engine.close();
      await storage.close({ flush: true });
      await topologyBlob?.close();
      await topology.close();
      await doors.close();
    },
  };
}

/** What is on its way through the process: messages, writes that wait, the log's buffer, blocks of an upload. */
function bytesInFlight(
  { engine, storage, writeBehind, handover }: ShardParts,
  link: LinkServer,
  doors: PublicDoors,
): number {
  const uploading = writeBehind === undefined ? 0 : blobBlocksInFlightMax * blobBlockBytes;
  const pending = storage.log.active?.writer?.pendingBytes ?? 0;
  const waiting = engine.stats().waitingWrites.bytes;
  return doors.bytesInFlight + link.stats().inFlightBytes + waiting + pending + uploading + handover.bytesInFlight;
}

function flushCommand(storage: Storage): CommandHandler {
  return async ([level]) => {
    const word = level!.toString('latin1').toLowerCase();
    if (word !== 'disk' && word !== 'blob') throw new KvcacheError('ERR', "FLUSH takes 'disk' or 'blob'");
    await storage.flush(word);
    return OK;
  };
}
