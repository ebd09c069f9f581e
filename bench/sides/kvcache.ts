/**
 * Our own side: shards and a router as real processes, started as the launcher starts them, with the settings that are
 * told in `about` and defaults for everything else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Azurite, azuriteConnectionString } from '../../azurite/azurite.ts';
import { threadPoolSize } from '../../limits.ts';
import { type SettingName, settingNames } from '../../settings/schema.ts';
import { environmentNameOf } from '../../settings/setting.ts';
import { processEnvironment } from '../../process/process-environment.ts';
import { freePort } from '../../testing/free-port.ts';
import { formatTopology } from '../../topology/document.ts';
import { topology } from '../../topology/place.ts';
import { end, endWith } from '../harness/children.ts';
import type { Bench } from '../harness/scenario.ts';
import type { SideProcess } from './side-process.ts';

export type Settings = Readonly<Partial<Record<SettingName, string | number>>>;

/** A kvcache process that can be ended and started again over the same data. */
export interface KvcacheProcess extends SideProcess {
  readonly http: string;
  readonly tcpPort: number;
  stop(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../..');
export const shardsUsual = 3;
/** Lines that are kept of what a process says. */
const lastWordsMax = 10;

/** Every door on this machine alone, at a port that the system chooses: whatever doors there are. */
const anyPorts: Settings = Object.fromEntries(
  settingNames
    .filter((name) => /\.(host|port)$/.test(name))
    .map((name): [SettingName, string | number] => [name, name.endsWith('.host') ? '127.0.0.1' : 0]),
);

interface Start {
  readonly name: string;
  readonly role: 'shard' | 'router';
  readonly dataPath: string;
  readonly settings: Settings;
}

/** Starts one process; resolves when it is ready. */
async function startProcess(bench: Bench, { name, role, dataPath, settings }: Start): Promise<KvcacheProcess> {
  const environment = Object.entries({ ...anyPorts, ...settings }).map(
    ([setting, value]) => [environmentNameOf(setting as SettingName), String(value)] as const,
  );
  const inherited = Object.entries(process.env).filter(([variable]) => !variable.startsWith('KVCACHE_'));
  const child = spawn(process.execPath, [join(root, 'cli/main.ts'), role, '--data-path', dataPath], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: bench.folder,
    env: {
      ...Object.fromEntries(inherited),
      UV_THREADPOOL_SIZE: String(threadPoolSize),
      ...processEnvironment[role],
      ...Object.fromEntries(environment),
    },
  });
  endWith(bench.scope, child);
  const addresses = await untilReady(child);
  const portOf = (door: string): number => Number(addresses[door]?.split(':').at(-1) ?? 0);
  return {
    name,
    about: aboutOf(settings),
    pids: [child.pid!],
    respPort: portOf('resp'),
    tcpPort: portOf('tcp'),
    grpc: addresses['grpc'] ?? '',
    http: addresses['http'] ?? '',
    stop: () => end(child),
  };
}

/** The addresses that it says it is ready at; rejects with its last words if it ends before that. */
function untilReady(child: ChildProcess): Promise<Readonly<Record<string, string>>> {
  return new Promise((ready, reject) => {
    const said: string[] = [];
    const hear = (line: string): void => {
      said.push(line);
      if (said.length > lastWordsMax) said.shift();
    };
    // Its streams are read to their ends before this, so that its last words are there.
    child.once('close', (code) => reject(new Error(`kvcache ended with ${code}: ${said.join('\n')}`)));
    createInterface({ input: child.stderr! }).on('line', hear);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      hear(line);
      if (!line.includes('"ready"')) return;
      const { msg, addresses } = JSON.parse(line) as { msg: string; addresses: Record<string, string> };
      if (msg === 'ready') ready(addresses);
    });
  });
}

function aboutOf(settings: Settings): string {
  const told = Object.entries(settings).filter(
    ([name]) => !/^(shard|router)\.name$|^topology\.|^link\.|connection_string/.test(name),
  );
  const given = told.map(([name, value]) => `${name}=${value}`).join(' ');
  return `acknowledgement=memory log.fsync=everysec no Blob${given === '' ? '' : `, but ${given}`}`;
}

/** One shard that owns every slot. `folder` is its data's, below the bench's. */
export function startShard(bench: Bench, settings: Settings = {}, name = 'shard'): Promise<KvcacheProcess> {
  const dataPath = join(bench.folder, name.replaceAll(/\W+/g, '-'));
  return startProcess(bench, { name, role: 'shard', dataPath, settings });
}

/** A Blob account for shards of this bench, and the settings that lead to it. */
export async function startBlob(bench: Bench): Promise<Settings> {
  const azurite = await Azurite.start({ directory: join(bench.folder, 'azurite') });
  bench.scope.defer(() => azurite.stop());
  return { 'blob.connection_string': azuriteConnectionString(azurite.port) };
}

/** A router in front of three shards, or of another number; the router is the first of the processes. */
export async function startCluster(bench: Bench, settings: Settings = {}, shards = shardsUsual): Promise<SideProcess> {
  const ports = await Promise.all(Array.from({ length: shards }, freePort));
  const members = ports.map((port, index) => ({ name: `shard-${index}`, address: `127.0.0.1:${port}` }));
  const topologyPath = join(bench.folder, 'topology.json');
  await mkdir(bench.folder, { recursive: true });
  await writeFile(topologyPath, formatTopology(topology(undefined, members)));
  const common: Settings = { ...settings, 'topology.path': topologyPath };
  const started = await Promise.all(
    members.map(({ name }, index) =>
      startProcess(bench, {
        name,
        role: 'shard',
        dataPath: join(bench.folder, name),
        settings: { ...common, 'shard.name': name, 'link.port': ports[index]! },
      }),
    ),
  );
  const router = await startProcess(bench, {
    name: `router + ${shards} shards`,
    role: 'router',
    dataPath: join(bench.folder, 'router'),
    settings: { 'topology.path': topologyPath },
  });
  return { ...router, about: aboutOf(settings), pids: [...router.pids, ...started.flatMap(({ pids }) => pids)] };
}
