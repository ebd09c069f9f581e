/**
 * Where everything of a local cluster lies: ports and folders. Fixed, so that people can write them down, and where we
 * may choose below 32768, because above it the system hands ports out to outgoing connections.
 *
 *                      without --port-base      with --port-base N
 *   router  gRPC       50051                    N
 *           HTTP       8080                     N + 1
 *           link       7100                     N + 2
 *           RESP       6379                     N + 3
 *           TCP        6380                     N + 4
 *   Azurite blob       10000                    N + 9
 *   shard i link       7110 + i                 N + 10 + i
 *           gRPC       7130 + i                 N + 30 + i
 *           HTTP       7150 + i                 N + 50 + i
 *           RESP       7170 + i                 N + 70 + i    as far from the link at all (process/shard-nodes.ts)
 *
 *   .kvcache/lock.sock       held while a cluster runs
 *            control.sock    on which `kvcache scale` reaches the supervisor
 *            topology.json   by the first start, and by every change of shards since
 *            desired.json    how many shards there should be
 *            cluster.json    the running processes
 *            logs/           a file a process
 *            azurite/ router/ shard-0/ …
 */
import { join, resolve } from 'node:path';
import { localShardsMax } from '../../limits.ts';

export interface Site {
  readonly portBase: number | undefined;
  readonly dataPath: string;
}

export interface LayoutOptions extends Site {
  readonly shards: number;
}

export interface ShardPlace {
  readonly name: string;
  readonly dataPath: string;
  readonly linkPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly respPort: number;
}

export interface Layout {
  readonly dataPath: string;
  readonly topologyPath: string;
  readonly desiredPath: string;
  readonly controlPath: string;
  readonly statePath: string;
  readonly logsPath: string;
  readonly router: {
    readonly dataPath: string;
    readonly grpcPort: number;
    readonly httpPort: number;
    readonly linkPort: number;
    readonly respPort: number;
    readonly tcpPort: number;
  };
  readonly azurite: { readonly dataPath: string; readonly blobPort: number };
  readonly shards: readonly ShardPlace[];
}

/** The gRPC port of the router of the cluster that `portBase` means. */
export function routerGrpcPort(portBase: number | undefined): number {
  return portBase ?? 50_051;
}

export function layoutOf({ portBase, shards, dataPath }: LayoutOptions): Layout {
  const root = resolve(dataPath);
  return {
    dataPath: root,
    topologyPath: join(root, 'topology.json'),
    desiredPath: join(root, 'desired.json'),
    controlPath: join(root, 'control.sock'),
    statePath: join(root, 'cluster.json'),
    logsPath: join(root, 'logs'),
    router: {
      dataPath: join(root, 'router'),
      grpcPort: routerGrpcPort(portBase),
      httpPort: portBase === undefined ? 8_080 : portBase + 1,
      linkPort: portBase === undefined ? 7_100 : portBase + 2,
      respPort: portBase === undefined ? 6_379 : portBase + 3,
      tcpPort: portBase === undefined ? 6_380 : portBase + 4,
    },
    azurite: { dataPath: join(root, 'azurite'), blobPort: portBase === undefined ? 10_000 : portBase + 9 },
    shards: Array.from({ length: shards }, (_, index) => shardPlaceOf(index, { portBase, dataPath })),
  };
}

export function shardPlaceOf(index: number, { portBase, dataPath }: Site): ShardPlace {
  const firstPort = portBase === undefined ? 7_110 : portBase + 10;
  const name = shardNameOf(index);
  return {
    name,
    dataPath: join(resolve(dataPath), name),
    linkPort: firstPort + index,
    grpcPort: firstPort + 20 + index,
    httpPort: firstPort + 40 + index,
    respPort: firstPort + 60 + index,
  };
}

export function shardNameOf(index: number): string {
  return `shard-${index}`;
}

/** The index of the shard of this name, or undefined for a name that no shard of a local cluster has. */
export function shardIndexOf(name: string): number | undefined {
  const index = Number(/^shard-(0|[1-9]\d?)$/.exec(name)?.[1] ?? NaN);
  return index < localShardsMax ? index : undefined;
}

export interface PortUse {
  readonly port: number;
  /** Who wants it and what for, such as `router gRPC`. */
  readonly role: string;
}

/** Every port that the cluster takes; `withAzurite` is false where a Blob account is given. */
export function portsOf(layout: Layout, withAzurite: boolean): PortUse[] {
  return [
    { port: layout.router.grpcPort, role: 'router gRPC' },
    { port: layout.router.httpPort, role: 'router HTTP' },
    { port: layout.router.linkPort, role: 'router link' },
    { port: layout.router.respPort, role: 'router RESP' },
    { port: layout.router.tcpPort, role: 'router TCP' },
    ...(withAzurite ? [{ port: layout.azurite.blobPort, role: 'Azurite' }] : []),
    ...layout.shards.flatMap(shardPortsOf),
  ];
}

export function shardPortsOf({ name, linkPort, grpcPort, httpPort, respPort }: ShardPlace): PortUse[] {
  return [
    { port: linkPort, role: `${name} link` },
    { port: grpcPort, role: `${name} gRPC` },
    { port: httpPort, role: `${name} HTTP` },
    { port: respPort, role: `${name} RESP` },
  ];
}
