/** The child processes of a local cluster: what each runs, with which settings, and where it is reached. */
import type { ChildProcess } from 'node:child_process';
import net from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { azuriteConnectionString } from '../../azurite/azurite.ts';
import { threadPoolSize } from '../../limits.ts';
import { processEnvironment, shardEnvironment } from '../../process/process-environment.ts';
import { hasBlob } from '../../settings/blob-conflicts.ts';
import { isSettingsVariable } from '../../settings/load.ts';
import { environmentFor } from '../../settings/present.ts';
import type { GivenSettings } from '../../settings/schema.ts';
import { type ChildOptions, untilReadyMessage } from './child.ts';
import type { Layout, ShardPlace } from './layout.ts';
import type { ProcessRecord } from './state.ts';

/** One child before it is started. */
export interface MemberPlan {
  readonly role: Exclude<ProcessRecord['role'], 'supervisor'>;
  readonly id: string;
  readonly addresses: ProcessRecord['addresses'];
  readonly dataDirectory: string;
  readonly run: Pick<ChildOptions, 'module' | 'args' | 'environment' | 'untilReady'>;
}

const root = resolve(import.meta.dirname, '../..');
const commandModule = join(root, 'cli/main.ts');
const azuriteModule = join(root, 'azurite/azurite-process.ts');
export const loopback = '127.0.0.1';
const routerName = 'router';
/** How often a child that cannot say so is asked whether it listens. */
const listenPollMs = 25;

/** True where a Blob account was given, so that no Azurite is needed. */
export function hasOwnBlob(given: GivenSettings): boolean {
  return hasBlob(given);
}

export function azuritePlan({ azurite: { dataPath, blobPort } }: Layout): MemberPlan {
  const where = ['--blobHost', loopback, '--blobPort', `${blobPort}`, '--location', dataPath];
  return {
    role: 'azurite',
    id: 'azurite',
    addresses: { blob: `${loopback}:${blobPort}` },
    dataDirectory: dataPath,
    run: {
      module: azuriteModule,
      args: [...where, '--skipApiVersionCheck', '--disableTelemetry', '--silent'],
      environment: inheritedEnvironment(),
      untilReady: (child) => untilListening(child, blobPort),
    },
  };
}

export function shardPlan(layout: Layout, place: ShardPlace, given: GivenSettings): MemberPlan {
  const { name, dataPath, linkPort, grpcPort, httpPort, respPort } = place;
  const environment = childEnvironment(given, 'shard');
  if (!hasOwnBlob(given)) {
    environment['KVCACHE_BLOB_CONNECTION_STRING'] = azuriteConnectionString(layout.azurite.blobPort);
  }
  const flags = {
    'shard-name': name,
    'data-path': dataPath,
    'topology-path': layout.topologyPath,
    'link-host': loopback,
    'link-port': linkPort,
    'grpc-host': loopback,
    'grpc-port': grpcPort,
    'http-host': loopback,
    'http-port': httpPort,
    'resp-host': loopback,
    'resp-port': respPort,
    // Its clients know one address: the router's.
    'tcp-enabled': 'false',
  };
  const at = (port: number): string => `${loopback}:${port}`;
  return {
    role: 'shard',
    id: name,
    addresses: { grpc: at(grpcPort), http: at(httpPort), resp: at(respPort), link: at(linkPort) },
    dataDirectory: dataPath,
    run: { module: commandModule, args: ['shard', ...asArguments(flags)], environment, untilReady: untilReadyMessage },
  };
}

/** `host` is where the router's public doors listen. */
export function routerPlan(layout: Layout, given: GivenSettings, host: string): MemberPlan {
  const { dataPath, grpcPort, httpPort, linkPort, respPort, tcpPort } = layout.router;
  const flags = {
    'data-path': dataPath,
    'topology-path': layout.topologyPath,
    'router-name': routerName,
    'link-host': loopback,
    'link-port': linkPort,
    'grpc-host': host,
    'grpc-port': grpcPort,
    'http-host': given['http.host'] ?? host,
    'http-port': httpPort,
    'resp-host': given['resp.host'] ?? host,
    'resp-port': respPort,
    'tcp-host': given['tcp.host'] ?? host,
    'tcp-port': tcpPort,
  };
  const environment = childEnvironment(given, 'router');
  return {
    role: 'router',
    id: routerName,
    addresses: {
      grpc: `${host}:${grpcPort}`,
      http: `${flags['http-host']}:${httpPort}`,
      resp: `${flags['resp-host']}:${respPort}`,
      tcp: `${flags['tcp-host']}:${tcpPort}`,
      link: `${loopback}:${linkPort}`,
    },
    dataDirectory: dataPath,
    run: { module: commandModule, args: ['router', ...asArguments(flags)], environment, untilReady: untilReadyMessage },
  };
}

/** This process's environment without its own settings, and those of the child: secrets stay off command lines. */
function childEnvironment(given: GivenSettings, role: 'shard' | 'router'): Record<string, string | undefined> {
  return {
    UV_THREADPOOL_SIZE: `${threadPoolSize}`,
    ...processEnvironment[role],
    // As in the launcher, what people set themselves counts, such as options of Node.
    ...inheritedEnvironment(),
    ...environmentFor(given, role),
  };
}

/** Without what the launcher has set for whatever it starts. */
function inheritedEnvironment(): Record<string, string | undefined> {
  const launched: Readonly<Record<string, string>> = shardEnvironment;
  const isGiven = (name: string, value: string | undefined): boolean =>
    launched[name] !== value && !isSettingsVariable(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name, value]) => isGiven(name, value)));
}

function asArguments(flags: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
}

/** Resolves when something listens on the port, or when the child has ended. */
async function untilListening(child: ChildProcess, port: number): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    if (await connects(port)) return;
    await delay(listenPollMs);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, loopback);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
