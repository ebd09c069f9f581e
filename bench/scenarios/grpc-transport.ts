/**
 * Which gRPC server the doors stand on: our own, or that of grpc-js. Each has the same four methods, the same codecs and
 * the same stored values; both kinds of client load both, directly and through a proxy that adds 1 ms to the round trip.
 */
import { encodeWrite } from '../../client/prompt-codec.ts';
import type { MessageParts } from '../../grpc/method.ts';
import { GetRequest, KeyValueServiceService, SetRequest } from '../../protos/generated/kv.ts';
import { KVStoreServiceService, ReadRequest } from '../../protos/generated/kvstore.ts';
import { message, processorUs, startModule } from '../harness/children.ts';
import { delayedPort } from '../sides/delayed.ts';
import {
  bandwidth,
  type Bench,
  type Case,
  p99,
  processorTime,
  rate,
  type Scenario,
  type Side,
} from '../harness/scenario.ts';
import { type ClientName, clientNames, loads, runLoad } from '../load/client-load.ts';
import { type TransportName, transportNames } from '../sides/grpc-transport-server.ts';

interface Method {
  readonly title: string;
  readonly path: string;
  readonly message: MessageParts;
  readonly inFlight: number;
  /** Bytes of value that a call moves. */
  readonly bytes: number;
}

interface TransportCase extends Case {
  readonly method: Method;
  readonly client: ClientName;
  readonly addedMs: 0 | 1;
}

const blockBytes = 1_200_000;
const valueBytes = 100;
const key = Buffer.from('bench:key:0000000001');
const tokens = BigInt64Array.from({ length: 128 }, (_, index) => BigInt(index * 700));
const scope = { accountUrl: 'https://account.blob.core.windows.net', containerName: 'prompts' };
const chunk = { hash: 1n, parentHash: 2n, partitionKey: 'p', completionId: '', tokens };

const setMethod: Method = {
  title: 'Set 100 B',
  path: KeyValueServiceService.set.path,
  message: SetRequest.encode({ key, value: Buffer.alloc(valueBytes, 'v'), ttl: undefined }).finish(),
  inFlight: 64,
  bytes: valueBytes,
};

const methods: readonly Method[] = [
  setMethod,
  {
    title: 'Get 100 B',
    path: KeyValueServiceService.get.path,
    message: GetRequest.encode({ key }).finish(),
    inFlight: 64,
    bytes: valueBytes,
  },
  {
    title: 'Write 1.2 MB',
    path: KVStoreServiceService.write.path,
    message: encodeWrite({ ...scope, chunk: { ...chunk, buffer: Buffer.alloc(blockBytes, 'kv') } }),
    inFlight: 8,
    bytes: blockBytes,
  },
  {
    title: 'Read 1.2 MB',
    path: KVStoreServiceService.read.path,
    message: ReadRequest.encode({ ...scope, location: 'x'.repeat(80), completionId: '' }).finish(),
    inFlight: 8,
    bytes: blockBytes,
  },
];

const cases: readonly TransportCase[] = clientNames.flatMap((client) =>
  ([0, 1] as const).flatMap((addedMs) =>
    methods.map((method) => ({
      title: `${method.title}, client ${client}${addedMs === 0 ? '' : ', +1 ms'}`,
      method,
      client,
      addedMs,
      figures: [method.bytes === blockBytes ? bandwidth : rate, p99, processorTime],
      comparisons: [
        { side: 'ours', against: 'grpc-js' },
        { side: 'ours', against: 'grpc-js', figure: processorTime.name },
      ],
    })),
  ),
);

async function transportSide(bench: Bench, name: TransportName): Promise<Side<TransportCase>> {
  const server = startModule(bench.scope, 'sides/grpc-transport-server.ts', [name]);
  const port = await message<number>(server);
  const ports = { 0: port, 1: await delayedPort(bench, port) };
  return {
    name,
    about: name === 'grpc-js' ? 'the server of @grpc/grpc-js' : 'our server (grpc/ on http2/)',
    async measure({ method, client, addedMs }, { measuredMs }) {
      const load = loads[client](ports[addedMs]);
      try {
        // A Get wants something to get.
        await load.call(setMethod);
        const beforeUs = processorUs([server.pid]) ?? NaN;
        const { calls, perSecond, p99Ms } = await runLoad(load, method, { inFlight: method.inFlight, measuredMs });
        const usedUs = (processorUs([server.pid]) ?? NaN) - beforeUs;
        return {
          [rate.name]: perSecond,
          [bandwidth.name]: perSecond * method.bytes,
          [p99.name]: p99Ms,
          ...(Number.isNaN(usedUs) ? {} : { [processorTime.name]: usedUs / calls }),
        };
      } finally {
        load.close();
      }
    },
  };
}

export const grpcTransport: Scenario = {
  name: 'grpc-transport',
  summary: 'our gRPC server against that of grpc-js: same methods, codecs and values, two kinds of client',
  async prepare(bench) {
    return {
      cases: cases.filter(({ client, addedMs }) => !bench.quick || (client === 'ours' && addedMs === 0)),
      sides: await Promise.all(transportNames.map((name) => transportSide(bench, name))),
    };
  },
};
