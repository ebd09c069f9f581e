import { credentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { HealthClient, HealthCheckResponse_ServingStatus as ServingStatus } from '../protos/generated/kv.ts';
import { SlotMap } from '../topology/slot-map.ts';
import { singleShardTopology } from '../topology/place.ts';
import { LiveSettings } from '../settings/live.ts';
import { loadSettings } from '../settings/load.ts';
import { MemoryCache } from '../testing/memory-cache.ts';
import { createLogger } from './log.ts';
import { PublicDoors } from './public-doors.ts';

const names = ['grpc', 'http', 'resp', 'tcp'] as const;
const slots = new SlotMap(singleShardTopology('shard-0', '127.0.0.1:7051'));
const config = { get: () => '{}', update: () => undefined };

/** Runs `use` while the doors serve an engine in RAM. */
async function serving(flags: Record<string, string>, use: (doors: PublicDoors) => Promise<void>): Promise<void> {
  const local = names.flatMap((name) => [
    [`${name}-host`, '127.0.0.1'],
    [`${name}-port`, '0'],
  ]);
  const all = { ...Object.fromEntries(local), 'log-level': 'silent', ...flags };
  const live = new LiveSettings(loadSettings({ role: 'shard', flags: all, environment: {} }), 'shard');
  const cache = new MemoryCache();
  const doors = new PublicDoors(live, createLogger(live, {}));
  try {
    await doors.open();
    await doors.serve(cache, config, { role: 'shard', name: 'shard-0', slots: () => slots });
    await use(doors);
    await doors.drain();
  } finally {
    await doors.close();
    await cache.close();
  }
}

test('every door is there unless it is left out', async () => {
  await serving({}, async (doors) => {
    expect(Object.keys(doors.addresses).toSorted()).toEqual(names);
  });
});

test('health is what the process says of itself', async () => {
  await serving({}, async (doors) => {
    const health = async (): Promise<unknown> => (await fetch(`http://${doors.addresses['http']}/health`)).json();
    const client = new HealthClient(doors.addresses['grpc']!, credentials.createInsecure());
    const healthOfGrpc = (): Promise<number> =>
      new Promise((resolve, reject) => {
        client.check({ service: '' }, (error, response) => (error ? reject(error) : resolve(response.status)));
      });
    expect(await health()).toEqual({ status: 'healthy', message: 'service is running' });
    expect(await healthOfGrpc()).toBe(ServingStatus.SERVING);
    doors.isHealthy = () => false;
    expect(await health()).toEqual({ status: 'unhealthy', message: 'service is not running' });
    expect(await healthOfGrpc()).toBe(ServingStatus.NOT_SERVING);
    client.close();
  });
});

test.each(names)('without %s the others serve', async (name) => {
  await serving({ [`${name}-enabled`]: 'false' }, async (doors) => {
    expect(Object.keys(doors.addresses).toSorted()).toEqual(names.filter((other) => other !== name));
    if (name === 'http') return;
    expect((await fetch(`http://${doors.addresses['http']}/ready`)).status).toBe(200);
    expect((await fetch(`http://${doors.addresses['http']}/api/v1/keys`)).status).toBe(200);
  });
});
