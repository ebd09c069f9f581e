import { connect, type TLSSocket } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { TestExecutor } from '../../router/testing/test-executor.ts';
import { Refusals } from '../../security/figures.ts';
import type { ClientAuthentication, ServerTlsSource } from '../../security/tls.ts';
import { TestAuthority, type TestIdentity } from '../../testing/certificates.ts';
import { OpenDoor } from './testing/open-door.ts';
import { encodedRequest } from './testing/requests.ts';

const authority = new TestAuthority();
const identity = authority.issue('server');
const known = authority.issue('client');
const stranger = new TestAuthority().issue('client');

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function open(clientAuthentication: ClientAuthentication) {
  const executor = new TestExecutor('shard');
  const refusals = new Refusals();
  const tls: ServerTlsSource = {
    clientAuthentication,
    current: { ...identity, ca: authority.cert },
    onChange: () => () => undefined,
  };
  const door = await OpenDoor.open(executor, { tls, refusals });
  closing.push(
    () => executor.close(),
    () => door[Symbol.asyncDispose](),
  );
  return { door, executor, refusals };
}

/** What a client gets for a GET, and nothing if it is ended. */
async function ask(port: number, shown?: TestIdentity): Promise<string> {
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost', ...shown });
  closing.push(() => void socket.destroy());
  socket.write(encodedRequest(['GET', 'k']));
  return await new Promise((resolve) => {
    socket.on('data', (chunk) => resolve(String(chunk)));
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(''));
  });
}

test('with a certificate the door speaks TLS', async () => {
  const { door } = await open('none');
  expect(await ask(door.port)).toBe('$-1\r\n');
});

test('a client must show a certificate where that is asked for, and commands carry its name', async () => {
  const { door, executor, refusals } = await open('required');
  expect(await ask(door.port)).toBe('');
  expect(await ask(door.port, stranger)).toBe('');
  expect(await ask(door.port, known)).toBe('$-1\r\n');
  expect(executor.lastContext?.session).toMatchObject({ door: 'resp', identity: 'CN=client' });
  expect(refusals.samples().map(([, name]) => name)).toEqual(['resp']);
});

test('where a certificate may be shown, one that is not good is refused', async () => {
  const { door } = await open('optional');
  expect(await ask(door.port)).toBe('$-1\r\n');
  expect(await ask(door.port, known)).toBe('$-1\r\n');
  expect(await ask(door.port, stranger)).toBe('');
});
