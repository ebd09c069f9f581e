import { expect, test } from 'vitest';
import { Authenticator } from '../../security/authenticator.ts';
import { fixedSecret } from '../../security/secrets.ts';
import { TestApi } from './testing/api.ts';

test('the dashboard is there for everybody, under a policy that lets it load nothing from elsewhere', async () => {
  const authenticator = new Authenticator({ token: fixedSecret('good') });
  const api = await TestApi.open({}, { security: { authenticator } });
  try {
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/web/index.html', 'text/html'],
      ['/dashboard.js', 'text/javascript'],
      ['/dashboard.css', 'text/css'],
    ] as const) {
      const response = await fetch(api.url + path, { headers: { 'accept-encoding': 'br' } });
      expect([response.status, response.headers.get('content-encoding')]).toEqual([200, 'br']);
      expect(response.headers.get('content-type')).toContain(type);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
      expect((await response.text()).length).toBeGreaterThan(500);
      const plain = await fetch(api.url + path, { headers: { 'accept-encoding': 'identity' } });
      expect(plain.headers.get('content-encoding')).toBeNull();
      const again = await fetch(api.url + path, { headers: { 'if-none-match': plain.headers.get('etag')! } });
      expect(again.status).toBe(304);
    }
    expect((await fetch(`${api.url}/api/v1/cluster`)).status).toBe(401);
  } finally {
    await api.close();
  }
});

test('a login of the dashboard’s own is not disturbed by the browser’s', async () => {
  const authenticator = new Authenticator({ password: fixedSecret('sesame') });
  const api = await TestApi.open({}, { security: { authenticator } });
  try {
    const challenge = async (headers: Record<string, string>): Promise<string | null> =>
      (await fetch(`${api.url}/api/v1/cluster`, { headers })).headers.get('www-authenticate');
    expect(await challenge({})).toContain('Basic');
    expect(await challenge({ 'kvcache-dashboard': '1' })).toBe('Form');
  } finally {
    await api.close();
  }
});
