import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Authenticator, headerOfCredential } from '../../security/authenticator.ts';
import { fixedSecret } from '../../security/secrets.ts';
import { TestApi } from './testing/api.ts';

test('the document lists every route with its parameters, its body and what it may answer', async () => {
  const api = await TestApi.open();
  try {
    const document = await api.document();
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/health',
        '/api/v1/health',
        '/ready',
        '/api/v1/set',
        '/api/v1/get/{key}',
        '/openapi.json',
      ]),
    );
    expect(document.paths['/api/v1/scan']!['get']).toMatchObject({
      operationId: 'scan',
      parameters: [{ name: 'prefix' }, { name: 'limit', in: 'query', required: false }, { name: 'cursor' }],
      responses: { 200: {}, 400: {}, 500: {}, 503: {} },
    });
    expect(document.paths['/api/v1/set']!['post']).toMatchObject({
      requestBody: { content: { 'application/json': { schema: { required: ['key', 'value'] } } } },
    });
    expect(document).not.toHaveProperty('security');
    const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
    const ids = operations.map((operation) => (operation as unknown as { operationId: string }).operationId);
    expect(new Set(ids).size).toBe(ids.length);
  } finally {
    await api.close();
  }
});

test('the document tells which credentials are asked for, and is itself for those who have them', async () => {
  const authenticator = new Authenticator({ token: fixedSecret('good') });
  const api = await TestApi.open({}, { security: { authenticator } });
  try {
    expect((await fetch(`${api.url}/openapi.json`)).status).toBe(401);
    const authorization = headerOfCredential('token', 'good');
    expect(await api.document({ authorization })).toMatchObject({
      security: [{ token: [] }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      paths: { '/health': { get: { security: [] } }, '/api/v1/set': { post: { responses: { 401: {} } } } },
    });
    expect(await api.ask('GET', '/api/v1/get/k')).toMatchObject({ status: 401 });
  } finally {
    await api.close();
  }
});

test('docs/http.md names every route of the API', async () => {
  const api = await TestApi.open();
  try {
    const text = readFileSync(join(import.meta.dirname, '../../docs/http.md'), 'utf8');
    const paths = Object.keys((await api.document()).paths).filter((path) => path.startsWith('/api/'));
    expect(paths.filter((path) => !text.includes(path))).toEqual([]);
  } finally {
    await api.close();
  }
});
