/** Large values on their way through a router: the shard has the first bytes before the client has sent the last. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Cluster } from '../../router/testing/cluster.ts';
import { OpenDoor } from './testing/open-door.ts';
import { encodedRequest } from './testing/requests.ts';

const MiB = 1024 * 1024;
const value = Buffer.alloc(24 * MiB + 7);
for (let at = 0; at + 4 <= value.byteLength; at += 4) value.writeUInt32LE((at * 2_654_435_761) >>> 0, at);

let cluster: Cluster;
let open: OpenDoor;

beforeEach(async () => {
  cluster = await Cluster.start(3);
  open = await OpenDoor.open(cluster.router);
});

afterEach(async () => {
  await open[Symbol.asyncDispose]();
  await cluster.stop();
});

const stagedBytes = (): number => cluster.shards.reduce((sum, { link }) => sum + link.stats().inFlightBytes, 0);

const whenStaged = (isSo: (bytes: number) => boolean): Promise<void> =>
  vi.waitFor(() => expect(stagedBytes()).toSatisfy(isSo), { timeout: 20_000 });

const uploads = (): number => cluster.links.all().reduce((sum, link) => sum + link.stats().uploads, 0);

describe('a large value', () => {
  test('is with its shard while the rest of it still arrives, and is stored whole once it has', async () => {
    const client = await open.client();
    const request = encodedRequest(['SET', 'key', value, 'PX', '100000']);
    client.write(request.subarray(0, 10 * MiB));
    await whenStaged((bytes) => bytes > 9 * MiB);
    expect(cluster.executors.every(({ seen }) => !seen.includes('SET'))).toBe(true);
    // Others are served meanwhile, also by the connections of the link that its pieces take.
    const other = await open.client();
    expect(await other.ask('SET', 'other', value.subarray(0, 2 * MiB))).toBe('+OK');
    client.write(request.subarray(10 * MiB));
    expect(await client.line()).toBe('+OK');
    expect(await other.ask('GET', 'key')).toBe(`$${value.byteLength}`);
    expect(value.equals(await other.take(value.byteLength))).toBe(true);
    expect(stagedBytes()).toBe(0);
    expect(uploads()).toBe(2);
  });

  test('whose client leaves in the middle leaves nothing behind', async () => {
    const client = await open.client();
    client.write(encodedRequest(['SET', 'key', value]).subarray(0, 10 * MiB));
    await whenStaged((bytes) => bytes > 9 * MiB);
    client[Symbol.dispose]();
    await whenStaged((bytes) => bytes === 0);
    const other = await open.client();
    expect(await other.ask('EXISTS', 'key')).toBe(':0');
  });

  test('that ends in a fault of the protocol is not stored, and leaves nothing behind', async () => {
    const client = await open.client();
    const request = encodedRequest(['SET', 'key', value, 'EX', '10']);
    client.write(request.subarray(0, request.lastIndexOf('$2\r\nEX')));
    client.write(Buffer.from('!2\r\nEX\r\n'));
    expect(await client.line()).toContain("expected '$', got '!'");
    await whenStaged((bytes) => bytes === 0);
    const other = await open.client();
    expect(await other.ask('EXISTS', 'key')).toBe(':0');
  });

  test('of a command that fails for another argument is told so, and leaves nothing behind', async () => {
    const client = await open.client();
    expect(await client.ask('SET', 'key', value, 'EX', 'never')).toContain('not an integer');
    expect(await client.ask('SET', 'key', value, 'LATER')).toContain('syntax error');
    await whenStaged((bytes) => bytes === 0);
    expect(uploads()).toBe(2);
  });

  test('behind a pipeline of commands on its key is done in its turn', async () => {
    const client = await open.client();
    const small = Array.from({ length: 200 }, (_, index) => encodedRequest(['APPEND', 'key', String(index % 10)]));
    client.write(
      Buffer.concat([...small, encodedRequest(['SET', 'key', value]), encodedRequest(['APPEND', 'key', 'end'])]),
    );
    for (let index = 1; index <= 200; index++) expect(await client.line()).toBe(`:${index}`);
    expect(await client.line()).toBe('+OK');
    expect(await client.line()).toBe(`:${value.byteLength + 3}`);
  });

  test('of a shard that goes away in the middle fails as any write does', async () => {
    const client = await open.client();
    const request = encodedRequest(['SET', 'key', value]);
    client.write(request.subarray(0, 10 * MiB));
    await whenStaged((bytes) => bytes > 9 * MiB);
    for (const shard of cluster.shards) await shard.crash();
    client.write(request.subarray(10 * MiB));
    expect(await client.line()).toMatch(/UNAVAILABLE|cannot be reached/);
  });
});
