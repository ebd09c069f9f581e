import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requireFreePorts } from './ports.ts';

const taken = net.createServer();
let port: number;
beforeAll(async () => {
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  ({ port } = taken.address() as AddressInfo);
});
afterAll(() => taken.close());

test('a port that is taken is told with its role and what to do', async () => {
  await expect(requireFreePorts('127.0.0.1', [{ port, role: 'router gRPC' }], undefined)).rejects.toMatchObject({
    code: 'CONFIG',
    message:
      `port ${port} (router gRPC) is taken by another process\n` +
      'end that process, or choose other ports with --port-base N (N to N+99), such as --port-base 21000',
  });
});

test('all ports that are taken are told at once', async () => {
  const uses = ['Azurite', 'shard-0 link'].map((role) => ({ port, role }));
  await expect(requireFreePorts('127.0.0.1', uses, 20_000)).rejects.toThrow(
    /\(Azurite\)[^]*\(shard-0 link\)[^]*such as --port-base 20100/,
  );
});

test('free ports pass', async () => {
  await requireFreePorts('127.0.0.1', [{ port: 0, role: 'router gRPC' }], undefined);
});
