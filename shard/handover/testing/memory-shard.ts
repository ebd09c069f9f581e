/**
 * For tests: a shard as shard/main.ts composes it, without doors and sockets, over any Blob tier, with bounds as small as
 * a test likes. It can lose power at any moment: then what was not forced to the disk is gone.
 */
import { closeSync, existsSync, openSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, type Executor, libraryContext } from '../../../commands/command.ts';
import type { Reply } from '../../../commands/reply.ts';
import { KvcacheError } from '../../../errors.ts';
import { InternalExecutor } from '../../../link/internal-executor.ts';
import { topologyCommands, TopologyExchange } from '../../../link/topology-exchange.ts';
import { TopologySource } from '../../../topology/source.ts';
import type { Topology } from '../../../topology/topology.ts';
import type { Clock } from '../../clock.ts';
import { HotTier } from '../../hot/hot-tier.ts';
import { Engine } from '../../keyspace/engine.ts';
import { KeyIndex } from '../../keyspace/key-index.ts';
import { OwnershipExecutor } from '../../ownership.ts';
import { segmentHeaderBytes } from '../../log/segment-header.ts';
import { openStorage, type Storage } from '../../storage/storage.ts';
import type { StorageOptions } from '../../storage/storage-options.ts';
import { Handover } from '../handover.ts';
import { handoverCommands, HandoverSource } from '../source.ts';
import { SlotStates } from '../slot-states.ts';
import type { MemoryNetwork } from './memory-network.ts';

export interface MemoryShardOptions {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly clock: Clock;
  readonly network: MemoryNetwork;
  /** What its topology file says at its start. */
  readonly topology: Topology;
  readonly storage: Omit<
    StorageOptions,
    'folder' | 'clock' | 'logger' | 'index' | 'epoch' | 'recoveryEpoch' | 'sinceOf'
  >;
  readonly hotBytes: number;
  readonly diskThresholdBytes: number;
  readonly bandwidth: () => number;
  /** Told every warning and error. */
  readonly log: (message: string) => void;
}

export class MemoryShard {
  readonly name: string;
  readonly topology: TopologySource;
  readonly states: SlotStates;
  readonly engine: Engine;
  readonly index: KeyIndex;
  readonly storage: Storage;
  readonly handover: Handover;
  readonly #executor: Executor;
  readonly #exchange: TopologyExchange;
  readonly #detach: () => void;

  static async start(options: MemoryShardOptions): Promise<MemoryShard> {
    const { name, folder, clock, log } = options;
    const topology = await TopologySource.open({
      copy: join(folder, 'topology.json'),
      fallback: options.topology,
    });
    const logger = {
      info: () => undefined,
      warn: (fields: object, message: string) => log(`${name} ${message} ${JSON.stringify(fields)}`),
      error: (fields: object, message: string) => log(`${name} ${message} ${JSON.stringify(fields)}`),
    };
    const states = new SlotStates(topology, name);
    const hot = new HotTier({ limitBytes: options.hotBytes });
    const index = new KeyIndex(hot, clock);
    const { slots } = topology;
    const storage = await openStorage({
      ...options.storage,
      folder,
      clock,
      logger,
      index,
      epoch: () => topology.slots.epoch,
      recoveryEpoch: slots.epoch,
      sinceOf: (slot) => slots.heldSince(slot, name) ?? Infinity,
    }).catch(async (error: unknown) => {
      await topology.close();
      throw error;
    });
    return new MemoryShard(options, { topology, states, hot, index, storage, logger });
  }

  private constructor(
    { name, address, clock, network, storage: { below }, bandwidth, diskThresholdBytes }: MemoryShardOptions,
    parts: {
      topology: TopologySource;
      states: SlotStates;
      hot: HotTier;
      index: KeyIndex;
      storage: Storage;
      logger: StorageOptions['logger'];
    },
  ) {
    const { topology, states, hot, index, storage, logger } = parts;
    this.name = name;
    this.topology = topology;
    this.states = states;
    this.index = index;
    this.storage = storage;
    this.engine = new Engine({
      clock,
      index,
      hot,
      journal: storage,
      options: { serving: states, acknowledgement: 'memory', minimumAcknowledgement: 'memory', diskThresholdBytes },
      extraCommands: new Map([
        [
          'FLUSH',
          async ([level]) => {
            await storage.flush(level!.toString() as 'disk' | 'blob');
            return 'OK';
          },
        ],
      ]),
    });
    this.engine.observeTime(storage.log.now());
    const exchange = new TopologyExchange(topology, (shard, reason) => logger.warn({ shard, reason }, 'no exchange'));
    this.#exchange = exchange;
    this.handover = new Handover({
      topology,
      states,
      keyspace: this.engine.keyspace,
      storage,
      openLink: (shard, to) => network.open(name, shard, to, (link) => exchange.onEpoch(link)),
      hasBlob: below !== undefined,
      bandwidth,
      logger,
    });
    const { handover } = this;
    const executor = new OwnershipExecutor(this.engine, topology, name, {
      hasClosed: () => states.hasClosed,
      closed: () => states.closed(),
      isClosed: (slot) => states.isClosed(slot),
      ready: (slots, deadlineMs) => handover.ready(slots, deadlineMs),
    });
    this.#executor = executor;
    const source = new HandoverSource(this.engine.keyspace, states, topology, storage);
    const commands = { ...topologyCommands(topology), ...handoverCommands(source) };
    const node = {
      shard: name,
      executor: new InternalExecutor(commands, executor),
      epoch: () => topology.slots.epoch,
    };
    this.#detach = network.attach(address, node);
    topology.onChange(() => network.greet(address));
  }

  /** A command at the shard's own door. */
  async execute(command: Command, timeoutMs: number): Promise<Reply> {
    return this.#executor.execute(command, libraryContext(timeoutMs));
  }

  /** Ends in order, as on SIGTERM. */
  async stop(): Promise<void> {
    await this.#end();
    await this.storage.close({ flush: true }).catch((error: unknown) => {
      // Compaction may have written more while the last flush was under way: the disk has it.
      if (!(error instanceof KvcacheError) || error.code !== 'BLOBDOWN') throw error;
    });
    await this.topology.close();
  }

  /**
   * Power is lost: nothing more is written, and what was written but not forced to the disk is gone; or of that, as disks
   * may do, only the first page (`tornBytes`), while what lies behind it has come to the disk.
   */
  async losePower(tornBytes = 0): Promise<void> {
    const open = [...this.storage.log.segments.values()].filter(({ writer }) => writer !== undefined);
    const safe = open.map((segment) => ({
      segment,
      path: segment.file!.path,
      bytes: Math.max(segmentHeaderBytes, segment.writer!.syncedBytes),
    }));
    this.storage.fence('crashed');
    await this.#end();
    await this.storage.close({ flush: false });
    await this.topology.close();
    for (const { segment, path, bytes } of safe) {
      if (segment.isSealed || !existsSync(path)) continue;
      if (tornBytes === 0) truncateSync(path, bytes);
      else wipe(path, bytes, tornBytes);
    }
  }

  async #end(): Promise<void> {
    this.#detach();
    this.#exchange.close();
    await this.handover.close();
    this.engine.close();
  }
}

/** Zeros in place of so many bytes, as far as the file reaches. */
function wipe(path: string, from: number, bytes: number): void {
  const file = openSync(path, 'r+');
  const length = Math.max(0, Math.min(bytes, statSync(path).size - from));
  writeSync(file, Buffer.alloc(length), 0, length, from);
  closeSync(file);
}
