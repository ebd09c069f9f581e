/**
 * Where everything of a local cluster lies: ports and folders. Fixed, so that people can write them down, and where we
 * may choose below 32768, because above it the system hands ports out to outgoing connections.
 *
 *                      without --port-base      with --port-base N
 *   router  gRPC       50051                    N
 *           HTTP       8080                     N + 1
 *   Azurite blob       10000                    N + 9
 *   shard i link       7110 + i                 N + 10 + i
 *           gRPC       7130 + i                 N + 30 + i
 *           HTTP       7150 + i                 N + 50 + i
 *
 *   .kvcache/lock.sock       held while a cluster runs
 *            topology.json   written once, by the first start
 *            cluster.json    the running processes
 *            logs/           a file a process
 *            azurite/ router/ shard-0/ …
 */
import { join, resolve } from 'node:path';

export interface LayoutOptions {
  readonly portBase: number | undefined;
  readonly shards: number;
  readonly dataPath: string;
}

export interface ShardPlace {
  readonly name: string;
  readonly dataPath: string;
  readonly linkPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
}

export interface Layout {
  readonly dataPath: string;
  readonly topologyPath: string;
  readonly statePath: string;
  readonly logsPath: string;
  readonly router: { readonly dataPath: string; readonly grpcPort: number; readonly httpPort: number };
  readonly azurite: { readonly dataPath: string; readonly blobPort: number };
  readonly shards: readonly ShardPlace[];
}

/** The gRPC port of the router of the cluster that `portBase` means. */
export function routerGrpcPort(portBase: number | undefined): number {
  return portBase ?? 50_051;
}

export function layoutOf({ portBase, shards, dataPath }: LayoutOptions): Layout {
  const root = resolve(dataPath);
  const azuritePort = portBase === undefined ? 10_000 : portBase + 9;
  const firstShardPort = portBase === undefined ? 7_110 : portBase + 10;
  return {
    dataPath: root,
    topologyPath: join(root, 'topology.json'),
    statePath: join(root, 'cluster.json'),
    logsPath: join(root, 'logs'),
    router: {
      dataPath: join(root, 'router'),
      grpcPort: routerGrpcPort(portBase),
      httpPort: portBase === undefined ? 8_080 : portBase + 1,
    },
    azurite: { dataPath: join(root, 'azurite'), blobPort: azuritePort },
    shards: Array.from({ length: shards }, (_, index) => ({
      name: `shard-${index}`,
      dataPath: join(root, `shard-${index}`),
      linkPort: firstShardPort + index,
      grpcPort: firstShardPort + 20 + index,
      httpPort: firstShardPort + 40 + index,
    })),
  };
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
    ...(withAzurite ? [{ port: layout.azurite.blobPort, role: 'Azurite' }] : []),
    ...layout.shards.flatMap(({ name, linkPort, grpcPort, httpPort }) => [
      { port: linkPort, role: `${name} link` },
      { port: grpcPort, role: `${name} gRPC` },
      { port: httpPort, role: `${name} HTTP` },
    ]),
  ];
}
