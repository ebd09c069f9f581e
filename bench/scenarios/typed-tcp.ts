/**
 * GET and SET of 100 B over the binary protocol of typed values, against RESP at the same shard: two doors of one keyspace,
 * under the same load. Each has a connection's worth of requests encoded beforehand, so what differs is the door.
 */
import { processorUs } from '../harness/children.ts';
import { digits } from '../harness/present.ts';
import { type Bench, type Case, p99, processorTime, rate, type Scenario, type Side } from '../harness/scenario.ts';
import { encodeTyped, shortText } from '../../client/typed-value.ts';
import { commandCodes, frameHead, frameHeadBytes } from '../../doors/tcp/protocol.ts';
import { fillKeys, keyOf } from '../load/resp-connection.ts';
import { SocketLoad, type SocketRun } from '../load/socket-load.ts';
import { type KvcacheProcess, startShard } from '../sides/kvcache.ts';

interface TypedCase extends Case {
  readonly command: 'get' | 'set';
  readonly pipeline: number;
}

/** How a door is asked for one key, and what it answers. */
interface Protocol {
  readonly name: 'typed TCP' | 'RESP';
  readonly port: (shard: KvcacheProcess) => number;
  readonly request: Readonly<Record<TypedCase['command'], (key: string) => Buffer>>;
  readonly replyBytes: Readonly<Record<TypedCase['command'], number>>;
  readonly replyFirstByte: Readonly<Record<TypedCase['command'], number>>;
}

const connections = 50;
const keys = 10_000;
const value = Buffer.alloc(100, 'x');
const typedValue = encodeTyped(value);
/** No expiry. */
const noTtl = Buffer.alloc(8);
/** Pipelines that are sent around: enough that every key is asked for. */
const batches = keys;

const typedTcp: Protocol = {
  name: 'typed TCP',
  port: ({ tcpPort }) => tcpPort,
  request: {
    get: (key) => frameOf(commandCodes.GET, Buffer.from(key)),
    set: (key) => frameOf(commandCodes.SET, shortText(key), noTtl, typedValue),
  },
  replyBytes: { get: frameHeadBytes + typedValue.byteLength, set: frameHeadBytes },
  replyFirstByte: { get: 0, set: 0 },
};

const resp: Protocol = {
  name: 'RESP',
  port: ({ respPort }) => respPort,
  request: {
    get: (key) => Buffer.from(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`),
    set: (key) => Buffer.from(`*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$100\r\n${value.toString()}\r\n`),
  },
  replyBytes: { get: `$100\r\n\r\n`.length + value.byteLength, set: '+OK\r\n'.length },
  replyFirstByte: { get: '$'.charCodeAt(0), set: '+'.charCodeAt(0) },
};

const cases: readonly TypedCase[] = [1, 16].flatMap((pipeline) =>
  (['get', 'set'] as const).map((command) => ({
    title: `${command.toUpperCase()} 100 B, c=${connections}, P=${pipeline}`,
    command,
    pipeline,
    figures: [rate, p99, processorTime],
    comparisons: [
      { side: typedTcp.name, against: resp.name, figure: rate.name, goal: { atLeast: 1 } },
      { side: typedTcp.name, against: resp.name, figure: processorTime.name },
    ],
  })),
);

function frameOf(code: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(parts);
  return Buffer.concat([frameHead(code, payload.byteLength), payload]);
}

/** Pipelines of requests for keys in no order. */
function batchesOf(request: (key: string) => Buffer, pipeline: number): Buffer[] {
  const keyAt = (index: number): string => keyOf((index * 7_919) % keys);
  return Array.from({ length: Math.ceil(batches / pipeline) }, (_, batch) =>
    Buffer.concat(Array.from({ length: pipeline }, (__, index) => request(keyAt(batch * pipeline + index)))),
  );
}

function doorSide(protocol: Protocol, shard: KvcacheProcess, load: SocketLoad): Side<TypedCase> {
  const { name, port, request, replyBytes, replyFirstByte } = protocol;
  const prepared = new Map<string, Buffer[]>();
  const runOf = ({ command, pipeline }: TypedCase, measuredMs: number): SocketRun => {
    const which = `${command} ${pipeline}`;
    const encoded = prepared.get(which) ?? batchesOf(request[command], pipeline);
    prepared.set(which, encoded);
    const expected = { replyBytes: replyBytes[command], replyFirstByte: replyFirstByte[command] };
    return { port: port(shard), batches: encoded, pipeline, ...expected, connections, measuredMs };
  };
  return {
    name,
    about: shard.about,
    async measure(what, { measuredMs }) {
      const beforeUs = processorUs(shard.pids) ?? NaN;
      const { requests, elapsedMs, p99Ms } = await load.run(runOf(what, measuredMs));
      const usedUs = (processorUs(shard.pids) ?? NaN) - beforeUs;
      return {
        [rate.name]: (requests * 1_000) / elapsedMs,
        [p99.name]: p99Ms,
        ...(Number.isNaN(usedUs) ? {} : { [processorTime.name]: usedUs / requests }),
      };
    },
  };
}

export const typedTcpScenario: Scenario = {
  name: 'typed-tcp',
  summary: 'typed values over TCP, 100 B, 50 connections, pipelines of 1 and 16, against RESP at the same shard',
  async prepare(bench: Bench) {
    const shard = await startShard(bench);
    await fillKeys(shard.respPort, keys, value.byteLength);
    const load = new SocketLoad(bench);
    return {
      cases,
      sides: [typedTcp, resp].map((protocol) => doorSide(protocol, shard, load)),
      notes: () => [
        `load: bytes over sockets from a process of our own; it could have been ${digits(load.headroom)} times as fast or more in every run (where that is close to 1, it is the limit, and processor time tells more)`,
        'the idle time of the shard, some 0.5 % of a processor, is in both',
      ],
    };
  },
};
