/**
 * kv.KeyValueService: small unary calls against an echo by grpc-js, a megabyte through the router, and what the SDK makes
 * of small calls by batching them.
 */
import { message, startModule } from '../harness/children.ts';
import { type Bench, type Comparison, rate, type Scenario, type Side } from '../harness/scenario.ts';
import { GetRequest, KeyValueServiceService, SetRequest } from '../../protos/generated/kv.ts';
import { grpcMessage } from '../load/h2-connection.ts';
import { H2Load } from '../load/h2-load.ts';
import type { SdkResult, SdkRun } from '../load/sdk-load-process.ts';
import { startCluster, startShard } from '../sides/kvcache.ts';
import type { SideProcess } from '../sides/side-process.ts';
import { largeUnaryFigures, loadNote, portOf, type UnaryCase, unaryFigures, unarySide } from './unary.ts';

interface KvCase extends UnaryCase {
  readonly method: 'set' | 'get' | 'sdk';
}

const MiB = 1024 * 1024;
const smallKeys = 1_000;
const largeKeys = 16;
const echoName = 'grpc-js echo';
/** Batches need many callers: so many commands wait at any time. */
const sdkInFlight = 2_000;

const smallComparisons: readonly Comparison[] = [
  { side: 'shard', against: echoName, goal: { atLeast: 1.7 } },
  { side: 'router + 3 shards', against: echoName, goal: { atLeast: 1.4 } },
];

/** One call after the other: what a call costs in time. */
function singleCase(method: 'set' | 'get'): KvCase {
  const title = `${method === 'set' ? 'Set' : 'Get'} 100 B, one after the other`;
  return { ...kvCase(method, 100), title, inFlight: 1, comparisons: [] };
}

function kvCase(method: 'set' | 'get', valueBytes: number): KvCase {
  const isSmall = valueBytes < MiB;
  return {
    title: `${method === 'set' ? 'Set' : 'Get'} ${isSmall ? '100 B, concurrent: 64' : '1 MiB, 8'} in flight`,
    method,
    valueBytes,
    inFlight: isSmall ? 64 : 8,
    connections: isSmall ? 1 : 4,
    replyBytesMin: method === 'get' ? valueBytes : 1,
    figures: isSmall ? unaryFigures : largeUnaryFigures,
    comparisons: isSmall ? smallComparisons : [{ side: 'router + 3 shards', against: echoName }],
  };
}

const sdkCase: KvCase = {
  title: `mixed by the SDK: 100 B, ${sdkInFlight} in flight`,
  method: 'sdk',
  valueBytes: 100,
  inFlight: sdkInFlight,
  connections: 1,
  replyBytesMin: 0,
  figures: [rate],
  comparisons: [],
};

/** Messages as they go on the wire, for every size and method. */
function bodiesOf(valueBytes: number): Readonly<Record<'set' | 'get', readonly Buffer[]>> {
  const keys = Array.from({ length: valueBytes < MiB ? smallKeys : largeKeys }, (_, index) =>
    Buffer.from(`bench:${valueBytes}:${index}`),
  );
  const value = Buffer.alloc(valueBytes, 'v');
  const { set, get } = KeyValueServiceService;
  const body = (method: typeof set | typeof get, key: Buffer): Buffer => {
    const isSet = method === set;
    const bytes = isSet
      ? SetRequest.encode({ key, value, ttl: undefined }).finish()
      : GetRequest.encode({ key }).finish();
    return grpcMessage(bytes);
  };
  return { set: keys.map((key) => body(set, key)), get: keys.map((key) => body(get, key)) };
}

const notMeasured = { inFlight: 8, connections: 1, measuredMs: 0 };

function kvSide(bench: Bench, side: SideProcess, load: H2Load): Side<KvCase> {
  const bodies = new Map<number, ReturnType<typeof bodiesOf>>();
  const port = portOf(side.grpc);
  const unary = unarySide<KvCase>(side, load, async ({ method, valueBytes }) => {
    if (method === 'sdk') return undefined;
    let messages = bodies.get(valueBytes);
    if (messages === undefined) {
      messages = bodiesOf(valueBytes);
      bodies.set(valueBytes, messages);
      // A get wants something to get.
      const { set } = messages;
      const path = KeyValueServiceService.set.path;
      await load.run({ ...notMeasured, port, path, bodies: set, callsMin: set.length });
    }
    return { port, path: KeyValueServiceService[method].path, bodies: messages[method] };
  });
  return {
    ...unary,
    async measure(what, round) {
      if (what.method !== 'sdk') return unary.measure(what, round);
      return side.name === echoName ? undefined : measureSdk(bench, side.grpc, round.measuredMs);
    },
  };
}

/** The SDK in a process of its own, as an application has it. */
async function measureSdk(bench: Bench, server: string, measuredMs: number): Promise<{ rate: number }> {
  await using scope = new AsyncDisposableStack();
  bench.scope.defer(() => scope.disposeAsync());
  const child = startModule(scope, 'load/sdk-load-process.ts');
  child.process.send({ server, inFlight: sdkInFlight, measuredMs } satisfies SdkRun);
  const { perSecond } = await message<SdkResult>(child);
  return { rate: perSecond };
}

async function startEcho(bench: Bench): Promise<SideProcess> {
  const child = startModule(bench.scope, 'sides/echo-servers.ts', ['grpc-js']);
  const port = await message<number>(child);
  const about = 'Set and Get over a Map, by the server of @grpc/grpc-js';
  return { name: echoName, about, pids: [child.pid], respPort: 0, grpc: `127.0.0.1:${port}` };
}

export const kvGrpc: Scenario = {
  name: 'kv-grpc',
  summary: 'kv.KeyValueService on a shard and through a router, against an echo by grpc-js; the SDK with batching',
  async prepare(bench) {
    const load = new H2Load(bench);
    const sides = [await startShard(bench), await startCluster(bench), await startEcho(bench)];
    return {
      cases: [
        ...(bench.quick ? [] : [singleCase('set'), singleCase('get')]),
        ...[100, MiB].flatMap((valueBytes) => [kvCase('set', valueBytes), kvCase('get', valueBytes)]),
        sdkCase,
      ],
      sides: sides.map((side) => kvSide(bench, side, load)),
      notes: () => [
        loadNote(load),
        'the SDK has one process, whose core is its limit; its rate is commands, half of them sets',
      ],
    };
  },
};
