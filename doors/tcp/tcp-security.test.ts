import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { TypedClient, type TypedClientOptions } from '../../client/typed-client.ts';
import { Refusals } from '../../security/figures.ts';
import type { ClientAuthentication, ServerTlsSource } from '../../security/tls.ts';
import { TestAuthority } from '../../testing/certificates.ts';
import { OpenTcpDoor } from './testing/open-door.ts';

const authority = new TestAuthority();
const folder = mkdtempSync(join(tmpdir(), 'kvcache-tcp-'));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const caFile = file('ca.pem', authority.cert);
const shownBy = (name: string, by: TestAuthority): { certFile: string; keyFile: string } => {
  const identity = by.issue(name);
  return { certFile: file(`${name}.pem`, identity.cert), keyFile: file(`${name}.key`, identity.key) };
};
const known = shownBy('client', authority);
const stranger = shownBy('stranger', new TestAuthority());

const closing: (() => Promise<void> | void)[] = [];
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function open(clientAuthentication: ClientAuthentication) {
  const refusals = new Refusals();
  const tls: ServerTlsSource = {
    clientAuthentication,
    current: { ...authority.issue('server'), ca: authority.cert },
    onChange: () => () => undefined,
  };
  const door = await new OpenTcpDoor({ tls, refusals }).open();
  closing.push(() => door.close());
  const connect = (options: TypedClientOptions['tls']): TypedClient => {
    const client = new TypedClient(door.address, { tls: options, retry: { attemptsMax: 1 } });
    closing.push(() => client.close());
    return client;
  };
  return { door, refusals, connect };
}

test('with a certificate the door speaks TLS, to those who trust it', async () => {
  const { connect } = await open('none');
  const client = connect({ caFile, serverName: 'localhost' });
  await client.set('k', 1n);
  expect(await client.get('k')).toBe(1n);
  await expect(connect({ serverName: 'localhost' }).get('k')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(connect(undefined).get('k')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a client must show a certificate where that is asked for, and commands carry its name', async () => {
  const { door, refusals, connect } = await open('required');
  const trusting = { caFile, serverName: 'localhost' };
  await expect(connect(trusting).get('k')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(connect({ ...trusting, ...stranger }).get('k')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await connect({ ...trusting, ...known }).get('k')).toBeUndefined();
  expect(door.contexts.at(-1)!.session).toMatchObject({ door: 'tcp', identity: 'CN=client' });
  expect(refusals.samples().map(([, name]) => name)).toEqual(['tcp']);
});

test('a certificate that is wrong where none is asked for ends the connection', async () => {
  const { connect } = await open('optional');
  const trusting = { caFile, serverName: 'localhost' };
  expect(await connect(trusting).get('k')).toBeUndefined();
  await expect(connect({ ...trusting, ...stranger }).get('k')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
