/**
 * The program of the suite's client pod: the SDK behind a small HTTP door, so that scenarios outside the cluster can use
 * it inside. One load at a time; its books are acceptance/load.ts.
 *
 * Without a password and for the suite's own clusters only: whoever reaches the port may read and write the cache.
 */
import { BlobServiceClient } from '@azure/storage-blob';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { Load } from '../../acceptance/load.ts';
import { valueOf, versionOf } from '../../acceptance/values.ts';
import { forEachInWindow } from '../../cli/playground/for-each.ts';
import { KvcacheClient } from '../../client/key-client.ts';
import type { ClientOptions } from '../../client/options.ts';
import { KvStoreClient } from '../../client/prompt-client.ts';
import type { Acknowledgement } from '../../commands/command.ts';
import { messageOf } from '../../errors.ts';
import {
  attemptCall,
  attemptHttp,
  attemptLink,
  type HttpAttempt,
  type LinkAttempt,
  type Port,
  shownCertificate,
} from './attempts.ts';
import { Availability } from './availability.ts';

interface Running {
  readonly load: Load;
  readonly availability: Availability;
  readonly clients: readonly Disposable[];
}

interface Fill {
  readonly prefix: string;
  readonly count: number;
  readonly bytes: number;
  readonly level: Acknowledgement;
}

interface LoadRequest {
  readonly levels?: readonly Acknowledgement[];
  readonly attempts?: number;
  readonly timeoutMs?: number;
  readonly pauseMs?: number;
}

const port = 9_000;
const defaultPauseMs = 20;
const window = 32;
const keys = new KvcacheClient({ ...connection(), timeoutMs: 30_000 });
let running: Running | undefined;

/** TLS and password as the pod's environment has them; the server comes from KVSTORE_GRPC_SERVER. */
function connection(): ClientOptions {
  const file = process.env['E2E_CONNECTION_FILE'];
  return file === undefined ? {} : (JSON.parse(readFileSync(file, 'utf8')) as ClientOptions);
}

function theLoad(): Running {
  if (running === undefined) throw new Error('no load has been started');
  return running;
}

function report(reset: boolean) {
  const { load, availability } = theLoad();
  const seen = { ...availability.report(), acknowledged: load.acknowledged, violations: load.violations };
  if (reset) availability.reset();
  return seen;
}

async function startLoad(request: LoadRequest): Promise<null> {
  const { levels = ['disk'], attempts, timeoutMs = 10_000, pauseMs = defaultPauseMs } = request;
  for (const client of running?.clients ?? []) client[Symbol.dispose]();
  const options = { ...connection(), timeoutMs, ...(attempts && { retry: { attemptsMax: attempts } }) };
  const loadKeys = new KvcacheClient(options);
  const prompts = new KvStoreClient(options);
  prompts.initialize('https://e2e.example', 'e2e');
  const availability = new Availability(() => performance.now());
  const load = new Load({
    keys: loadKeys,
    prompts,
    // Only levels that outlive a process are used where processes are killed, so it is all the same.
    shardOf: () => '',
    levels,
    pauseMs,
    onOutcome: (fault) => availability.note(fault),
  });
  running = { load, availability, clients: [loadKeys, prompts] };
  load.start();
  await load.progress();
  return null;
}

async function stopLoad() {
  await theLoad().load.stop();
  return report(false);
}

async function fill({ prefix, count, bytes, level }: Fill): Promise<null> {
  await forEachInWindow(namesOf(prefix, count), window, async (name) => {
    await keys.set(name, valueOf(name, 1, bytes), { acknowledgement: level });
  });
  return null;
}

async function missing({ prefix, count }: Fill): Promise<string[]> {
  const faults: string[] = [];
  await forEachInWindow(namesOf(prefix, count), window, async (name) => {
    const fault = await faultOf(name);
    if (fault !== undefined) faults.push(fault);
  });
  return faults;
}

async function faultOf(name: string): Promise<string | undefined> {
  try {
    const value = await keys.get(name);
    if (value === null) return `${name} is gone`;
    versionOf(name, value);
    return undefined;
  } catch (error) {
    return `${name}: ${messageOf(error)}`;
  }
}

async function blobs(): Promise<string[]> {
  const service = BlobServiceClient.fromConnectionString(process.env['AZURITE_CONNECTION_STRING'] ?? '');
  const container = service.getContainerClient('kvcache');
  const names: string[] = [];
  if (await container.exists()) for await (const { name } of container.listBlobsFlat()) names.push(name);
  return names;
}

function namesOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

// Every route takes one JSON object and answers one JSON value.
type Route = (body: never) => unknown;
const routes: Readonly<Record<string, Route>> = {
  '/health': () => 'ok',
  '/load/start': (body: LoadRequest) => startLoad(body),
  '/load/progress': async () => {
    await theLoad().load.progress();
    return null;
  },
  '/load/report': ({ reset }: { reset?: boolean }) => report(reset === true),
  '/load/stop': () => stopLoad(),
  '/load/check': () => theLoad().load.check(),
  '/fill': (body: Fill) => fill(body),
  '/missing': (body: Fill) => missing(body),
  '/set': async ({ key, value, level }: { key: string; value: string; level: Acknowledgement }) =>
    keys.set(key, value, { acknowledgement: level }),
  '/get': async ({ key }: { key: string }) => (await keys.get(key))?.toString() ?? null,
  '/delete': ({ key }: { key: string }) => keys.delete(key),
  '/flush': async ({ level }: { level: 'disk' | 'blob' }) => {
    await keys.flush(level);
    return null;
  },
  '/blobs': () => blobs(),
  '/status': () => keys.status(),
  '/attempt/call': (body: ClientOptions) => attemptCall(body),
  '/attempt/link': (body: LinkAttempt) => attemptLink(body),
  '/attempt/http': (body: HttpAttempt) => attemptHttp(body),
  '/certificate': (body: Port) => shownCertificate(body),
};

async function answer(request: IncomingMessage): Promise<[status: number, value: unknown]> {
  const route = routes[new URL(request.url ?? '/', 'http://client').pathname];
  if (route === undefined) return [404, { message: `no route ${request.url}` }];
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as object);
  try {
    return [200, await route(body as never)];
  } catch (error) {
    return [500, { message: messageOf(error) }];
  }
}

const server = createServer((request, response) => {
  void answer(request).then(([status, value]) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  });
});
// A load may take minutes to be checked.
server.requestTimeout = 0;
server.listen(port, () => process.stdout.write(`the client listens on ${port}\n`));
process.once('SIGTERM', () => process.exit(0));
