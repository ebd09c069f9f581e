import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Counter, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpDoor, type HttpDoorOptions } from './http-door.ts';

const doors: HttpDoor[] = [];

afterEach(async () => {
  for (const door of doors.splice(0)) await door.close(0);
});

async function open(options: Partial<HttpDoorOptions> = {}): Promise<string> {
  const door = new HttpDoor({
    host: '127.0.0.1',
    port: 0,
    registry: undefined,
    isHealthy: () => true,
    unreadyReasons: () => [],
    ...options,
  });
  doors.push(door);
  const { host, port } = await door.listen();
  return `http://${host}:${port}`;
}

async function get(url: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, init);
  return { status: response.status, body: await response.json() };
}

/** However it ends. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('the HTTP door', () => {
  it.each(['/health', '/api/v1/health', '/health?verbose'])('answers %s as its users know it', async (path) => {
    let checks = 0;
    const url = await open({ metrics: { healthChecked: () => checks++ } });
    expect(await get(url + path)).toEqual({
      status: 200,
      body: { status: 'healthy', message: 'service is running' },
    });
    expect(checks).toBe(1);
  });

  it('answers 503 when unhealthy, and why it is not ready', async () => {
    const url = await open({ isHealthy: () => false, unreadyReasons: () => ['shard-1 is loading', 'no topology'] });
    expect(await get(`${url}/health`)).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
    expect(await get(`${url}/ready`)).toEqual({
      status: 503,
      body: { status: 'not ready', reasons: ['shard-1 is loading', 'no topology'] },
    });
  });

  it('is ready when nothing speaks against it', async () => {
    expect(await get(`${await open()}/ready`)).toEqual({ status: 200, body: { status: 'ready' } });
  });

  it('serves the registry that it was given, and 404 without one', async () => {
    const registry = new Registry();
    new Counter({ name: 'things_total', help: 'Things.', registers: [registry] }).inc(3);
    const response = await fetch(`${await open({ registry, metricsPath: '/m' })}/m`);
    expect(response.headers.get('content-type')).toBe(registry.contentType);
    expect(await response.text()).toContain('things_total 3');
    expect((await get(`${await open()}/metrics`)).status).toBe(404);
  });

  it('answers 404 and 405 as JSON, and HEAD without a body', async () => {
    const url = await open();
    expect(await get(`${url}/nothing?x=1`)).toEqual({ status: 404, body: { error: 'not found: GET /nothing' } });
    const post = await fetch(`${url}/health`, { method: 'POST', body: 'x' });
    expect([post.status, post.headers.get('allow'), await post.json()]).toEqual([
      405,
      'GET, HEAD',
      { error: 'method not allowed' },
    ]);
    const head = await fetch(`${url}/health`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('answers 500 when metrics cannot be made', async () => {
    const registry = new Registry();
    const collect = (): void => {
      throw new Error('no figures');
    };
    registry.registerMetric(new Counter({ name: 'broken_total', help: 'Broken.', registers: [], collect }));
    expect(await get(`${await open({ registry })}/metrics`)).toEqual({
      status: 500,
      body: { error: 'failed to answer: no figures' },
    });
  });

  it('cuts off a body and headers beyond their bounds', async () => {
    const url = await open({ bodyBytesMax: 1000 });
    const { hostname, port } = new URL(url);
    const large = connect(Number(port), hostname);
    large.on('error', () => undefined);
    large.write('POST /health HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n');
    large.write(Buffer.alloc(5_000_000));
    large.resume();
    await closeOf(large);
    const response = await fetch(`${url}/health`, { headers: { long: 'x'.repeat(20_000) } });
    expect(response.status).toBe(431);
    expect((await get(`${url}/health`)).status).toBe(200);
  });

  it('ends connections that outlast the grace', async () => {
    const url = await open();
    const { hostname, port } = new URL(url);
    const idle = connect(Number(port), hostname);
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    idle.write('GET /health HTTP/1.1\r\n');
    const closed = closeOf(idle);
    await doors.pop()!.close(0);
    await closed;
  });
});
