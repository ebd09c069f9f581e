import { describe, expect, it } from 'vitest';
import { linkSecret } from './link-secret.ts';
import { secretNames, unfollowedSecrets } from './secrets.ts';
import { cacheOf } from './testing/cache.ts';

describe('secrets', () => {
  it('are those that the spec names, and the one that the operator makes', () => {
    expect(secretNames(cacheOf())).toEqual(['c-link']);
    const blob = { identity: { connectionString: { name: 'account' } } };
    const auth = { token: { name: 'clients' } };
    expect(secretNames(cacheOf({ blob, security: { auth } }))).toEqual(['account', 'c-link', 'clients']);
    expect(unfollowedSecrets(cacheOf({ blob, security: { auth } })).map(({ secret }) => secret)).toEqual(['account']);
  });

  it('of links are made only where the user brings none', () => {
    expect(linkSecret(cacheOf(), 'x').object).toMatchObject({ data: { secret: 'eAo=' } });
    const security = { link: { secret: { name: 'mine' } } };
    expect(linkSecret(cacheOf({ security }), 'x').object).toBeUndefined();
    expect(secretNames(cacheOf({ security }))).toEqual(['mine']);
  });
});
