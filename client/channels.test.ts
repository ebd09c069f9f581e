import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OpenDoor } from '../doors/grpc/testing/open-door.ts';
import { GrpcChannel } from '../grpc/client.ts';
import { Channels } from './channels.ts';
import { KvcacheClient } from './key-client.ts';
import { KvStoreClient } from './prompt-client.ts';

let doors: OpenDoor[];
beforeEach(async () => {
  doors = await Promise.all([new OpenDoor().open(), new OpenDoor().open()]);
});
afterEach(() => Promise.all(doors.map((door) => door.close())));

const addresses = (): string[] => doors.map(({ address }) => address);
const portOf = (door: OpenDoor): number => Number(door.address.split(':')[1]);

describe('several addresses of one client', () => {
  test('take its calls in turn', async () => {
    using client = new KvcacheClient({ server: addresses() });
    // Both connections stand once both have answered.
    while (doors.some((door) => door.count('GET') === 0)) await client.get('a');
    const before = doors.map((door) => door.count('GET'));
    for (let call = 0; call < 10; call++) await client.get('a');
    expect(doors.map((door, place) => door.count('GET') - before[place]!)).toEqual([5, 5]);
  });

  test('one that is gone has its calls taken by the others, reads and writes alike', async () => {
    using client = new KvcacheClient({ server: addresses() });
    while (doors.some((door) => door.count('GET') === 0)) await client.get('a');
    await doors[0]!.close();
    // Reads are asked again, and by them the client has noticed: a write that went there could be lost.
    for (let call = 0; call < 4; call++) await client.get('a');
    for (let call = 0; call < 10; call++) expect(await client.set(`k${call}`, 'x')).toBe(true);
    expect(doors[1]!.count('SET')).toBe(10);
  });

  test('one that comes back has its turn again', async () => {
    const port = portOf(doors[0]!);
    await doors[0]!.close();
    using client = new KvcacheClient({ server: addresses() });
    for (let call = 0; call < 4; call++) await client.get('a');
    expect(doors[1]!.count('GET')).toBe(4);
    doors[0] = await new OpenDoor({ port }).open();
    while (doors[0].count('GET') === 0) await client.get('a');
    expect(await client.get('a')).toBeNull();
  });

  test('all of which are away are a fault that names one, within the attempts that are allowed', async () => {
    await Promise.all(doors.map((door) => door.close()));
    using client = new KvcacheClient({ server: addresses(), retry: { attemptsMax: 3 } });
    await expect(client.get('a')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(new RegExp(addresses().join('|'))),
    });
  });

  test('serve prompt blocks too, a stream that breaks at one going on at the other', async () => {
    const tokens = Array.from({ length: 128 }, (_, place) => place);
    const clients = doors.map(({ address }) => new KvStoreClient({ server: address }));
    for (const client of clients) {
      client.initialize('https://account', 'c');
      await client.writeAsync({ hash: 1n, partitionKey: 'p', tokens, buffer: Buffer.from('tensor') });
    }
    const { locations } = await clients[0]!.lookup('p', '', tokens, [1n]);
    for (const client of clients) client.close();
    using client = new KvStoreClient({ server: addresses().join(',') });
    client.initialize('https://account', 'c');
    const wanted = Array.from({ length: 64 }, () => locations[0]!.location);
    let reads = 0;
    for await (const { found } of client.readStream(wanted)) {
      expect(found).toBe(true);
      const busy = doors.findIndex((door) => door.count('BLOCK.GET') > 0);
      if (++reads === 8) await doors[busy]!.close();
    }
    expect(reads).toBe(64);
    expect(doors.every((door) => door.count('BLOCK.GET') > 0)).toBe(true);
  });
});

test('the first turn is anybody’s, so that clients with one list do not begin at the same server', async () => {
  const first = [0, 0.49, 0.5, 0.99].map((random) => {
    const channels = new Channels(
      addresses().map((address) => new GrpcChannel(address)),
      random,
    );
    const { target } = channels.choose();
    channels.close();
    return target;
  });
  const [a, b] = addresses();
  expect(first).toEqual([a, a, b, b]);
});
