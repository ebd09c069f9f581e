/** redis-server, alone and as three behind nutcracker: both from Debian, without persistence. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../testing/free-port.ts';
import { type Child, startProgram, untilListening, versionOf } from '../harness/children.ts';
import type { Bench } from '../harness/scenario.ts';
import type { SideProcess } from './side-process.ts';

const flags = ['--save', '', '--appendonly', 'no'];
const redisServers = 3;

/** Undefined, and told so, where it is not installed. */
export async function startRedis(bench: Bench): Promise<SideProcess | undefined> {
  const version = versionOf('redis-server');
  if (version === undefined) {
    bench.skip('redis-server', 'apt-get install redis-server');
    return undefined;
  }
  const { child, port } = await startServer(bench);
  const about = `${version.replace(/ sha=.*/, '')}, --save "" --appendonly no`;
  return { name: 'redis-server', about, pids: [child.pid], respPort: port, grpc: '' };
}

/** A proxy in front of three: what a router with three shards is compared with. */
export async function startNutcracker(bench: Bench): Promise<SideProcess | undefined> {
  const version = versionOf('nutcracker');
  if (version === undefined || versionOf('redis-server') === undefined) {
    bench.skip('nutcracker with three redis-servers', 'apt-get install nutcracker redis-server');
    return undefined;
  }
  const servers = await Promise.all(Array.from({ length: redisServers }, () => startServer(bench)));
  const port = await freePort();
  const configuration = [
    'pool:',
    `  listen: 127.0.0.1:${port}`,
    '  hash: fnv1a_64',
    '  distribution: ketama',
    '  redis: true',
    '  servers:',
    ...servers.map((server) => `    - 127.0.0.1:${server.port}:1`),
    '',
  ].join('\n');
  const path = join(bench.folder, 'nutcracker.yml');
  await writeFile(path, configuration);
  // The largest chunk of memory that it takes by default is 16 KiB: large values come in that many pieces.
  const statisticsPort = String(await freePort());
  const child = startProgram(bench.scope, 'nutcracker', ['-c', path, '-s', statisticsPort, '-a', '127.0.0.1']);
  await untilListening(child, port);
  return {
    name: 'nutcracker + 3 redis',
    about: `${version}, fnv1a_64 and ketama, in front of three redis-servers with --save "" --appendonly no`,
    pids: [child.pid, ...servers.map((server) => server.child.pid)],
    respPort: port,
    grpc: '',
  };
}

/** Tells where there is no redis-benchmark, without which nothing of RESP can be measured. */
export function hasRedisBenchmark(bench: Bench): boolean {
  const isInstalled = versionOf('redis-benchmark') !== undefined;
  if (!isInstalled) bench.skip('everything over RESP: there is no redis-benchmark', 'apt-get install redis-tools');
  return isInstalled;
}

async function startServer(bench: Bench): Promise<{ child: Child; port: number }> {
  const port = await freePort();
  const child = startProgram(bench.scope, 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', ...flags]);
  await untilListening(child, port);
  return { child, port };
}
