/**
 * `npm run bench:grpc-transport [-- --json] [--rounds N]`: which gRPC server should the doors stand on?
 *
 * grpc-js's server against ours on node:http2 (grpc/), each in a process of its own with the same methods and codecs,
 * loaded from this process by both clients in turn, directly and through a proxy that adds a millisecond of round
 * trip. Servers alternate within every round, so that a machine that grows slower does so for both; the figure is the
 * median of the rounds. About a minute and a quarter on two cores.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, credentials } from '@grpc/grpc-js';
import Table from 'cli-table3';
import { encodeWrite } from '../client/prompt-codec.ts';
import { GrpcChannel } from '../grpc/client.ts';
import { bytesOf, type MessageParts } from '../grpc/method.ts';
import { GetRequest, KeyValueServiceService, SetRequest } from '../protos/generated/kv.ts';
import { KVStoreServiceService, ReadRequest } from '../protos/generated/kvstore.ts';
import { type TransportName, transportNames } from './grpc-transport-server.ts';

const warmUpMs = 120;
const measuredMs = 450;
const blockBytes = 1_200_000;
const valueBytes = 100;

interface Method {
  readonly title: string;
  readonly path: string;
  readonly message: MessageParts;
  readonly concurrency: number;
  /** Bytes of value that a call moves. */
  readonly bytes: number;
}

interface Load {
  call(method: Method): Promise<number>;
  close(): void;
}

const clientNames = ['grpc-js', 'node:http2'] as const;
type ClientName = (typeof clientNames)[number];

const key = Buffer.from('bench:key:0000000001');
const tokens = BigInt64Array.from({ length: 128 }, (_, index) => BigInt(index * 700));
const scope = { accountUrl: 'https://account.blob.core.windows.net', containerName: 'prompts' };
const methods: readonly Method[] = [
  {
    title: 'Set 100 B',
    path: KeyValueServiceService.set.path,
    message: SetRequest.encode({ key, value: Buffer.alloc(valueBytes, 'v'), ttl: undefined }).finish(),
    concurrency: 64,
    bytes: valueBytes,
  },
  {
    title: 'Get 100 B',
    path: KeyValueServiceService.get.path,
    message: GetRequest.encode({ key }).finish(),
    concurrency: 64,
    bytes: valueBytes,
  },
  {
    title: 'Write 1.2 MB',
    path: KVStoreServiceService.write.path,
    message: encodeWrite({
      ...scope,
      chunk: {
        hash: 1n,
        parentHash: 2n,
        partitionKey: 'p',
        completionId: '',
        tokens,
        buffer: Buffer.alloc(blockBytes, 'kv'),
      },
    }),
    concurrency: 8,
    bytes: blockBytes,
  },
  {
    title: 'Read 1.2 MB',
    path: KVStoreServiceService.read.path,
    message: ReadRequest.encode({ ...scope, location: 'x'.repeat(80), completionId: '' }).finish(),
    concurrency: 8,
    bytes: blockBytes,
  },
];

function ownLoad(port: number): Load {
  const channel = new GrpcChannel(`127.0.0.1:${port}`);
  return {
    call: ({ path, message }) =>
      channel.unary({ path, requestSerialize: () => message, responseDeserialize: lengthOf }, undefined),
    close: () => channel.close(),
  };
}

function grpcJsLoad(port: number): Load {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc-node.flow_control_window': 8 * 1024 * 1024,
  });
  return {
    call: ({ path, message }) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, joinedOf, lengthOf, message, (error, length) =>
          error ? reject(error) : resolve(length ?? 0),
        );
      }),
    close: () => client.close(),
  };
}

const loads: Readonly<Record<ClientName, (port: number) => Load>> = { 'grpc-js': grpcJsLoad, 'node:http2': ownLoad };

function lengthOf(bytes: Buffer): number {
  return bytes.byteLength;
}

function joinedOf(parts: MessageParts): Buffer {
  return parts instanceof Uint8Array ? Buffer.from(parts) : Buffer.concat(parts, bytesOf(parts));
}

interface Cell {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** Processor time of the server for one call. */
  readonly serverMicroseconds: number;
}

interface Started {
  readonly process: ChildProcess;
  readonly port: number;
}

async function measure(server: Started, load: Load, method: Method): Promise<Cell> {
  const cpuBefore = await cpuOf(server);
  let calls = 0;
  const startedMs = performance.now();
  const beginMs = startedMs + warmUpMs;
  const endMs = beginMs + measuredMs;
  const latenciesMs: number[] = [];
  const worker = async (): Promise<void> => {
    for (let now = performance.now(); now < endMs;) {
      await load.call(method);
      calls++;
      const after = performance.now();
      if (after >= beginMs && after < endMs) latenciesMs.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: method.concurrency }, worker));
  latenciesMs.sort((a, b) => a - b);
  return {
    perSecond: (latenciesMs.length * 1_000) / measuredMs,
    p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? 0,
    serverMicroseconds: ((await cpuOf(server)) - cpuBefore) / calls,
  };
}

async function cpuOf({ process: child }: Started): Promise<number> {
  child.send('cpu');
  const [microseconds] = (await once(child, 'message')) as [number];
  return microseconds;
}

async function start(children: ChildProcess[], script: string, ...parameters: string[]): Promise<Started> {
  const child = fork(join(import.meta.dirname, script), parameters);
  children.push(child);
  const [port] = (await once(child, 'message')) as [number];
  return { process: child, port };
}

interface Result {
  readonly client: ClientName;
  readonly addedRoundTripMs: number;
  readonly method: string;
  readonly bytes: number;
  readonly servers: Readonly<Record<TransportName, Cell>>;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function compare(rounds: number, progress: (done: number, of: number) => void): Promise<Result[]> {
  const children: ChildProcess[] = [];
  try {
    const servers = {} as Record<TransportName, Started>;
    const ports = new Map<string, number>();
    for (const name of transportNames) {
      const server = await start(children, 'grpc-transport-server.ts', name);
      servers[name] = server;
      ports.set(`${name} 0`, server.port);
      ports.set(`${name} 1`, (await start(children, 'grpc-transport-proxy.ts', String(server.port), '0.5')).port);
    }
    const results: Result[] = [];
    const cases = clientNames.flatMap((client) => [0, 1].map((roundTripMs) => [client, roundTripMs] as const));
    for (const [client, addedRoundTripMs] of cases) {
      for (const method of methods) {
        const cells: Record<TransportName, Cell[]> = { 'grpc-js': [], 'node:http2': [] };
        for (let round = 0; round < rounds; round++) {
          for (const name of round % 2 === 0 ? transportNames : transportNames.toReversed()) {
            const load = loads[client](ports.get(`${name} ${addedRoundTripMs}`)!);
            // A Get wants something to get.
            await load.call(methods[0]!);
            cells[name].push(await measure(servers[name], load, method));
            load.close();
          }
        }
        const middle = (name: TransportName): Cell => ({
          perSecond: median(cells[name].map((cell) => cell.perSecond)),
          p99Ms: median(cells[name].map((cell) => cell.p99Ms)),
          serverMicroseconds: median(cells[name].map((cell) => cell.serverMicroseconds)),
        });
        const figures = { 'grpc-js': middle('grpc-js'), 'node:http2': middle('node:http2') };
        results.push({ client, addedRoundTripMs, method: method.title, bytes: method.bytes, servers: figures });
        progress(results.length, cases.length * methods.length);
      }
    }
    return results;
  } finally {
    for (const child of children) child.disconnect();
  }
}

function rate({ bytes }: Result, { perSecond }: Cell): string {
  if (bytes >= blockBytes) return `${((perSecond * bytes) / 1e9).toFixed(2)} GB/s`;
  return `${(perSecond / 1_000).toFixed(1)} K/s`;
}

function printTable(results: readonly Result[]): void {
  const table = new Table({
    head: [
      'client',
      'round trip',
      'method',
      'grpc-js server',
      'node:http2 server',
      'ratio',
      'p99 ms',
      'server CPU µs a call',
    ],
    style: { head: [], border: [] },
  });
  for (const result of results) {
    const { 'grpc-js': theirs, 'node:http2': ours } = result.servers;
    table.push([
      result.client,
      `+${result.addedRoundTripMs} ms`,
      result.method,
      rate(result, theirs),
      rate(result, ours),
      (ours.perSecond / theirs.perSecond).toFixed(2),
      `${theirs.p99Ms.toFixed(1)} → ${ours.p99Ms.toFixed(1)}`,
      `${theirs.serverMicroseconds.toFixed(0)} → ${ours.serverMicroseconds.toFixed(0)}`,
    ]);
  }
  process.stdout.write(`${table.toString()}\n`);
}

function versionOf(name: string): string {
  const path = join(import.meta.dirname, '../node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '3' } },
});
const machine = {
  node: process.version,
  'grpc-js': versionOf('@grpc/grpc-js'),
  cpu: cpus()[0]!.model,
  cpus: cpus().length,
};
const results = await compare(Number(flags.rounds), (done, of) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${of}${done === of ? '\n' : ''}`);
});
if (flags.json) {
  process.stdout.write(`${JSON.stringify({ machine, rounds: Number(flags.rounds), results }, undefined, 2)}\n`);
} else {
  process.stdout.write(`${JSON.stringify(machine)}, medians of ${flags.rounds} alternating rounds\n`);
  printTable(results);
}
