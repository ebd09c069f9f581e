/**
 * What is attacked: a shard that stands alone, and the router of a local cluster with three shards that have little
 * memory. Nothing may take a process beyond what it should come to.
 */
import { ResidentMemory } from '../acceptance/resident-memory.ts';
import { ShardProcess } from '../acceptance/shard-process.ts';
import { TestCluster } from '../acceptance/cluster.ts';
import { layoutOf } from '../cli/dev/layout.ts';
import { fuzzMemoryLimitBytes, fuzzRouterBytesMax, memoryResidentRatioMax } from '../limits.ts';
import { roundedBytes } from '../settings/units.ts';

type Door = 'grpc' | 'http' | 'resp' | 'tcp';

/** Where the doors of a process are. */
export interface DoorAddresses {
  /** host:port of its gRPC. */
  readonly server: string;
  /** Of its HTTP. */
  readonly url: string;
  portOf(door: Door): number;
}

/** The most memory that a process was seen to have resident, and may have. */
export interface TakenMemory {
  readonly name: string;
  readonly peakBytes: number;
  readonly bytesMax: number;
}

/** What `memory.limit` promises. */
const shardBytesMax = fuzzMemoryLimitBytes * memoryResidentRatioMax;

export interface AttackedProcess extends DoorAddresses {
  /** Before the names of its doors. */
  readonly prefix: string;
  /** Rejects where a process does not end as it should. */
  end(): Promise<readonly TakenMemory[]>;
  dispose(): Promise<void>;
}

export async function startShard(dataPath: string): Promise<AttackedProcess> {
  const shard = await ShardProcess.start({ dataPath, settings: { 'memory.limit': fuzzMemoryLimitBytes } });
  const memory = new ResidentMemory(shard.pid);
  return {
    prefix: '',
    server: shard.server,
    url: shard.url,
    portOf: (door) => shard.portOf(door),
    end: async () => {
      const { code, signal } = await shard.end('SIGTERM');
      if (code !== 0) throw new Error(`the shard ended with ${code ?? signal}: ${shard.said()}`);
      return [{ name: 'shard', peakBytes: memory.peakBytes, bytesMax: shardBytesMax }];
    },
    dispose: async () => {
      memory[Symbol.dispose]();
      await shard.dispose();
    },
  };
}

export async function startRouter(): Promise<AttackedProcess> {
  const cluster = await TestCluster.start({ args: ['--memory-limit', `${fuzzMemoryLimitBytes}`] });
  const ids = ['router', ...cluster.shardIds];
  const memories = ids.map((id) => [id, new ResidentMemory(cluster.process(id).pid)] as const);
  const pids = ids.map((id) => cluster.process(id).pid);
  const { router } = layoutOf({
    portBase: Number(cluster.server.split(':')[1]),
    shards: cluster.shardIds.length,
    dataPath: cluster.dataPath,
  });
  const ports = { grpc: router.grpcPort, http: router.httpPort, resp: router.respPort, tcp: router.tcpPort };
  return {
    prefix: 'router-',
    server: cluster.server,
    url: `http://127.0.0.1:${ports.http}`,
    portOf: (door) => ports[door],
    end: async () => {
      // The supervisor starts what has ended again: another process means that one did not survive.
      for (const [at, id] of ids.entries()) {
        if (cluster.process(id).pid !== pids[at])
          throw new Error(`${id} was started again: ${cluster.lines.join('\n')}`);
      }
      for (const [, memory] of memories) memory[Symbol.dispose]();
      await cluster.stop();
      return memories.map(([name, { peakBytes }]) => ({
        name,
        peakBytes,
        bytesMax: name === 'router' ? fuzzRouterBytesMax : shardBytesMax,
      }));
    },
    dispose: async () => {
      for (const [, memory] of memories) memory[Symbol.dispose]();
      await cluster.dispose();
    },
  };
}

/** Throws where a process has taken more memory than it may. */
export function requireBounded(taken: readonly TakenMemory[]): void {
  const beyond = taken.find(({ peakBytes, bytesMax }) => peakBytes > bytesMax);
  if (beyond === undefined) return;
  const { name, peakBytes, bytesMax } = beyond;
  throw new Error(
    `${name} has taken ${roundedBytes(peakBytes)} of memory; ${roundedBytes(bytesMax)} is the most it may`,
  );
}
