import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Client, type ClientReadableStream, credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OpenDoor } from './testing/open-door.ts';

const require = createRequire(import.meta.url);
let door: OpenDoor;
const clients: Client[] = [];

beforeEach(async () => {
  door = await new OpenDoor().open();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await door.close();
});

/** A client out of a package's own .proto file, as any tool would make one. */
function clientOf(packageName: string, protoPath: string, service: string, address = door.address): Client {
  const file = join(dirname(require.resolve(`${packageName}/package.json`)), protoPath);
  const definition = loadPackageDefinition(loadSync(file, { enums: String, oneofs: true })) as Record<string, unknown>;
  let found: unknown = definition;
  for (const part of service.split('.')) found = (found as Record<string, unknown>)[part];
  const client = new (found as new (...parameters: unknown[]) => Client)(address, credentials.createInsecure());
  clients.push(client);
  return client;
}

type Unary = (request: object, answer: (error: Error | null, response: unknown) => void) => void;

function ask(client: Client, method: string, request: object): Promise<unknown> {
  const unary = (client as unknown as Record<string, Unary>)[method]!;
  return new Promise((resolve, reject) => {
    unary.call(client, request, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

describe('grpc.health.v1', () => {
  const health = (): Client => clientOf('grpc-health-check', 'proto/health/v1/health.proto', 'grpc.health.v1.Health');

  it('checks the server and each of its services', async () => {
    const client = health();
    expect(await ask(client, 'check', { service: '' })).toEqual({ status: 'SERVING' });
    expect(await ask(client, 'check', { service: 'kvstore.KVStoreService' })).toEqual({ status: 'SERVING' });
    await expect(ask(client, 'check', { service: 'nobody' })).rejects.toMatchObject({ code: status.NOT_FOUND });
    const { statuses } = (await ask(client, 'list', {})) as { statuses: Record<string, object> };
    expect(statuses['kv.KeyValueService']).toEqual({ status: 'SERVING' });
  });

  it('tells who watches of every change', async () => {
    const client = health();
    const watch = (client as unknown as Record<string, (request: object) => ClientReadableStream<{ status: string }>>)[
      'watch'
    ]!;
    const stream = watch.call(client, { service: 'kv.Health' });
    stream.on('error', () => undefined);
    const seen: string[] = [];
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        stream.once('data', (response: { status: string }) => {
          seen.push(response.status);
          resolve();
        });
      });
    await next();
    for (const serving of [false, true]) {
      const change = next();
      door.door.serving = serving;
      await change;
    }
    expect(seen).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    stream.cancel();
  });

  it('does not serve while only a new process would help, whoever asks', async () => {
    let isHealthy = true;
    const ill = await new OpenDoor({ isHealthy: () => isHealthy }).open();
    const client = clientOf('grpc-health-check', 'proto/health/v1/health.proto', 'grpc.health.v1.Health', ill.address);
    expect(await ask(client, 'check', { service: '' })).toEqual({ status: 'SERVING' });
    isHealthy = false;
    expect(await ask(client, 'check', { service: '' })).toEqual({ status: 'NOT_SERVING' });
    const { statuses } = (await ask(client, 'list', {})) as { statuses: Record<string, object> };
    expect(statuses['kv.KeyValueService']).toEqual({ status: 'NOT_SERVING' });
    client.close();
    await ill.close();
  });

  it('does not serve before the process says so', async () => {
    const early = new OpenDoor();
    await early.door.listen();
    door.door.serving = false;
    expect(await ask(health(), 'check', { service: '' })).toEqual({ status: 'NOT_SERVING' });
    await early.close();
  });
});

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  interface Reflected {
    listServicesResponse?: { service: { name: string }[] };
    fileDescriptorResponse?: { fileDescriptorProto: Buffer[] };
    errorResponse?: { errorCode: number };
  }

  async function reflect(request: object): Promise<Reflected> {
    const client = clientOf(
      '@grpc/reflection',
      `build/proto/grpc/reflection/${version}/reflection.proto`,
      `grpc.reflection.${version}.ServerReflection`,
    );
    const method = (client as unknown as Record<string, () => NodeJS.ReadWriteStream>)['serverReflectionInfo']!;
    const stream = method.call(client);
    const answer = new Promise<Reflected>((resolve, reject) => {
      stream.on('data', (response: unknown) => resolve(response as Reflected));
      stream.on('error', reject);
    });
    stream.write(request as unknown as string);
    const response = await answer;
    stream.end();
    return response;
  }

  it('lists the public services', async () => {
    const { listServicesResponse } = await reflect({ listServices: '' });
    expect(listServicesResponse!.service.map(({ name }) => name).sort()).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'kv.Health',
      'kv.KeyValueService',
      'kvcache.v1.Cache',
      'kvstore.KVInternal',
      'kvstore.KVStore',
      'kvstore.KVStoreService',
      'kvstore.KeyValueStore',
      'kvstore.Membership',
    ]);
  });

  const described = [
    'kvstore.KVStoreService',
    'kvstore.KeyValueStore',
    'kvstore.KVStore',
    'kv.KeyValueService',
    'grpc.health.v1.Health',
  ];
  it.each(described)('describes %s', async (symbol) => {
    const { fileDescriptorResponse } = await reflect({ fileContainingSymbol: symbol });
    const text = fileDescriptorResponse!.fileDescriptorProto.map((file) => file.toString('latin1')).join('');
    expect(text).toContain(symbol.split('.').at(-1));
  });

  it('knows nothing of what is internal', async () => {
    const { errorResponse } = await reflect({ fileContainingSymbol: 'kvcache.link.Link' });
    expect(errorResponse!.errorCode).toBe(status.NOT_FOUND);
  });
});
