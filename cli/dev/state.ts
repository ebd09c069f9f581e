/**
 * What is known of a running local cluster by those who did not start it: `<data>/cluster.json` lists its processes,
 * and a pointer in the system's folder for temporary files, named by the router's port, says where that file is, so
 * that `kvcache status --port-base N` finds a cluster whatever its data directory.
 *
 * Both are files that a crash may leave behind: a reader checks that the supervisor of that id still lives.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { routerGrpcPort } from './layout.ts';

export type ProcessState = 'starting' | 'ready' | 'restarting' | 'stopping' | 'failed';

export interface ProcessRecord {
  readonly role: 'supervisor' | 'router' | 'shard' | 'azurite';
  /** Unique in the cluster: `router`, `shard-0`, `azurite`, `supervisor`. */
  readonly id: string;
  /** Null between two runs. */
  readonly pid: number | null;
  readonly state: ProcessState;
  readonly restarts: number;
  /** host:port by purpose. */
  readonly addresses: {
    readonly grpc?: string;
    readonly http?: string;
    readonly resp?: string;
    readonly tcp?: string;
    readonly link?: string;
    readonly blob?: string;
  };
  readonly dataDirectory: string;
  readonly log: string | null;
}

export interface ClusterState {
  readonly version: 1;
  readonly dataDirectory: string;
  readonly startedAtMs: number;
  readonly processes: readonly ProcessRecord[];
}

function pointerFolder(): string {
  return join(tmpdir(), `kvcache-${userInfo().username}`);
}

function pointerPath(grpcPort: number): string {
  return join(pointerFolder(), `router-${grpcPort}.json`);
}

/** Replaces a file in one step, so that no reader meets half of it. */
function replaceFile(path: string, content: string): void {
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, content, { mode: 0o600 });
  renameSync(beside, path);
}

export function writeClusterState(statePath: string, state: ClusterState): void {
  // Somebody may take the folder away while its cluster runs.
  mkdirSync(dirname(statePath), { recursive: true });
  replaceFile(statePath, `${JSON.stringify(state, undefined, 2)}\n`);
}

export function writePointer(grpcPort: number, statePath: string): void {
  mkdirSync(pointerFolder(), { recursive: true, mode: 0o700 });
  replaceFile(pointerPath(grpcPort), JSON.stringify({ statePath }));
}

/** Takes both files away when a cluster has ended. */
export function removeClusterState(statePath: string, grpcPort: number): void {
  rmSync(statePath, { force: true });
  rmSync(pointerPath(grpcPort), { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The content of a JSON file of this user; undefined where there is none, or it is somebody else's. */
function readOwnJson(path: string): unknown {
  try {
    if (process.getuid && statSync(path).uid !== process.getuid()) return undefined;
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The running local cluster whose router has these ports, or undefined. */
export function findCluster(portBase: number | undefined): ClusterState | undefined {
  return findClusterByPort(routerGrpcPort(portBase));
}

/** The same, by the address of the router's gRPC; undefined for an address of another machine too. */
export function findClusterByAddress(server: string): ClusterState | undefined {
  const [, host, port] = /^(.*):(\d+)$/.exec(server) ?? [];
  const isLocal = host !== undefined && ['localhost', '127.0.0.1', '[::1]', '0.0.0.0'].includes(host);
  return isLocal ? findClusterByPort(Number(port)) : undefined;
}

export function findClusterByPort(grpcPort: number): ClusterState | undefined {
  const pointer = readOwnJson(pointerPath(grpcPort)) as { statePath: string } | undefined;
  if (pointer === undefined) return undefined;
  const state = readOwnJson(pointer.statePath) as ClusterState | undefined;
  const supervisor = state?.processes.find(({ role }) => role === 'supervisor');
  return supervisor?.pid && isAlive(supervisor.pid) ? state : undefined;
}
