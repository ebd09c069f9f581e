import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OpenDoor } from '../doors/grpc/testing/open-door.ts';
import { until } from '../testing/until.ts';
import { Authenticator } from '../security/authenticator.ts';
import { fixedSecret } from '../security/secrets.ts';
import { Endpoint } from './endpoint.ts';
import { KvcacheClient } from './key-client.ts';
import type { ClientOptions } from './options.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-endpoint-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the address of a server', () => {
  test.each(['cache:50051', 'http://cache:50051', 'https://cache:50051', 'https://cache:50051/'])(
    'may be written as %s',
    (server) => expect(new Endpoint({ server }).server).toBe('cache:50051'),
  );

  test.each([['a:1,b:2'], ['https://a:1,b:2'], [['a:1', 'b:2', 'a:1']], [['https://a:1', 'https://b:2/']]])(
    'may be several: %j',
    (server) => expect(new Endpoint({ server }).server).toBe('a:1,b:2'),
  );

  test('is refused where several contradict each other, or are none', () => {
    const both = 'https://a:1,http://b:2';
    expect(() => new Endpoint({ server: both })).toThrow(
      `the servers are '${both}'; write https:// or http://, not both`,
    );
    expect(() => new Endpoint({ server: [] })).toThrow('0 servers are given; it must be 1 to 64');
    expect(() => new Endpoint({ server: 'a:1,' })).toThrow("the server is ''; it must be host:port");
  });

  test('may be an IPv6 address', () => {
    expect(new Endpoint({ server: 'https://[::1]:50051' }).server).toBe('[::1]:50051');
  });

  test.each(['cache', 'https://cache', 'ftp://cache:1', 'cache:50051/path', 'cache:port'])('is none: %s', (server) => {
    expect(() => new Endpoint({ server })).toThrow(
      `the server is '${server}'; it must be host:port or https://host:port`,
    );
  });

  test.each<[ClientOptions, string]>([
    [{ server: 'http://cache:1', tls: true }, "the server is 'http://cache:1' and TLS is asked for; write https://"],
    [{ server: 'https://cache:1', tls: false }, "the server is 'https://cache:1' and TLS is turned off; write http://"],
    [{ tls: { certFile: 'x' } }, 'a client certificate needs both certFile and keyFile'],
    [{ tls: { caFile: '/nowhere' } }, "caFile is '/nowhere', which does not exist"],
    [{ credentials: { tokenFile: '/nowhere' } }, "tokenFile is '/nowhere', which does not exist"],
    [{ credentials: { token: 'two words' } }, 'the token has characters that no token has'],
  ])('and what goes with it is checked when the client is made: %j', (options, fault) => {
    expect(() => new KvcacheClient({ server: 'cache:1', ...options })).toThrow(fault);
  });
});

test('a token in a file is followed: the next call shows what it says by then', async () => {
  const authenticator = new Authenticator({ token: fixedSecret('new') });
  const door = await new OpenDoor({ security: { authenticator } }).open();
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'old\n');
  const client = new KvcacheClient({ server: door.address, credentials: { tokenFile } });
  try {
    await expect(client.get('key')).rejects.toMatchObject({ code: 'NOAUTH' });
    writeFileSync(tokenFile, 'new\n');
    let isAccepted = false;
    while (!isAccepted) {
      isAccepted = await client.get('key').then(
        () => true,
        () => false,
      );
    }
    await until(() => door.count('GET') === 1);
  } finally {
    client.close();
    await door.close();
  }
});
