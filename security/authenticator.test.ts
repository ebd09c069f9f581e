import { describe, expect, test } from 'vitest';
import { Authenticator, credentialOfHeader, headerOfCredential } from './authenticator.ts';
import { Refusals } from './figures.ts';
import { fixedSecret } from './secrets.ts';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('an authorization header', () => {
  test.each([
    [undefined, { kind: 'none' }],
    ['Bearer abc', { kind: 'token', secret: 'abc' }],
    ['bearer   abc', { kind: 'token', secret: 'abc' }],
    [basic('user:pass:word'), { kind: 'password', secret: 'pass:word' }],
    [basic(':pässword'), { kind: 'password', secret: 'pässword' }],
    [basic('user:').replace('Basic', 'BASIC'), { kind: 'password', secret: '' }],
    ['', { kind: 'malformed' }],
    ['Bearer', { kind: 'malformed' }],
    ['Bearer a b', { kind: 'malformed' }],
    [basic('no colon'), { kind: 'malformed' }],
    ['Digest abc', { kind: 'malformed' }],
  ])('%j is %j', (header, credential) => {
    expect(credentialOfHeader(header)).toEqual(credential);
  });

  test.each(['token', 'password'] as const)('with a %s that a client makes reads back', (kind) => {
    const secret = kind === 'token' ? 'abc' : 'two wörds: here';
    expect(credentialOfHeader(headerOfCredential(kind, secret))).toEqual({ kind, secret });
  });
});

describe('who is admitted', () => {
  const both = new Authenticator({ token: fixedSecret('t'), password: fixedSecret('p') });

  test('everybody where nothing is asked for, whatever is shown', () => {
    const open = new Authenticator();
    expect(open.isRequired).toBe(false);
    expect(open.check({ kind: 'none' })).toEqual({ kind: 'admitted', identity: undefined });
    expect(open.check({ kind: 'token', secret: 'x' })).toEqual({ kind: 'admitted', identity: undefined });
  });

  test.each(['token', 'password'] as const)('who shows the %s', (kind) => {
    expect(both.check({ kind, secret: kind[0]! })).toEqual({ kind: 'admitted', identity: kind });
  });

  test('nobody else, and what was wrong is told to the counter alone', () => {
    const refusals = [
      { kind: 'none' },
      { kind: 'malformed' },
      { kind: 'token', secret: 'p' },
      { kind: 'password', secret: 't' },
    ] as const;
    expect(refusals.map((credential) => both.check(credential))).toEqual(
      ['missing', 'malformed', 'wrong', 'wrong'].map((reason) => ({ kind: 'refused', reason })),
    );
  });

  test('a password does where only a password is known, and no token', () => {
    const authenticator = new Authenticator({ password: fixedSecret('p') });
    expect(authenticator.check({ kind: 'token', secret: 'p' })).toMatchObject({ kind: 'refused' });
    expect(authenticator.check({ kind: 'password', secret: 'p' })).toMatchObject({ kind: 'admitted' });
    expect(authenticator.challenges).toEqual(['Basic realm="kvcache", charset="UTF-8"']);
  });
});

test('refusals are counted by door and reason', () => {
  const refusals = new Refusals();
  for (const reason of ['wrong', 'wrong', 'missing'] as const) refusals.add('grpc', reason);
  refusals.add('http', 'wrong');
  expect(refusals.samples()).toEqual([
    [2, 'grpc', 'wrong'],
    [1, 'grpc', 'missing'],
    [1, 'http', 'wrong'],
  ]);
});
