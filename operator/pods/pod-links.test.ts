import { afterEach, describe, expect, test } from 'vitest';
import { DeadlineWheel } from '../../grpc/deadline-wheel.ts';
import { GrpcServer } from '../../grpc/server.ts';
import { InternalExecutor } from '../../link/internal-executor.ts';
import { LinkServer, linkServerOptions } from '../../link/server.ts';
import { TestAuthority } from '../../testing/certificates.ts';
import { PodLinks } from './pod-links.ts';

const host = 'cache-router-0.cache-routers.there.svc';
const authority = new TestAuthority();
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A router that speaks TLS on its internal port and asks for a certificate. */
async function router(): Promise<number> {
  const { cert, key } = authority.issue('router', { names: [host] });
  const server = new GrpcServer({
    ...linkServerOptions,
    tls: {
      current: { cert, key, ca: authority.cert },
      clientAuthentication: 'required',
      onChange: () => () => undefined,
    },
  });
  const info = { name: 'cache-router-0', epoch: 7, pid: 1, uptimeMs: 1, commands: 0, links: [] };
  const executor = new InternalExecutor({
    ROUTERINFO: { arguments: 0, run: () => Buffer.from(JSON.stringify(info)) },
  });
  const link = new LinkServer({ shard: 'cache-router-0', executor, epoch: () => 7 });
  link.register(server);
  closing.push(
    () => server.close(0),
    () => link.close(0),
  );
  return server.listen('127.0.0.1', 0);
}

async function reportsFor(podHost: string, tls: object | undefined): Promise<number[]> {
  const links = new PodLinks({ port: await router(), deadlines: new DeadlineWheel(), log: { debug: () => undefined } });
  closing.push(() => links.close());
  const pod = { name: 'cache-router-0', role: 'router', ip: '127.0.0.1', host: podHost, process: 'a' } as const;
  links.follow([pod], { tls }, 'first');
  return (await links.reports()).map(({ epoch }) => epoch);
}

describe('links to pods that speak TLS', () => {
  const { cert, key } = authority.issue('operator');
  const shown = { ca: authority.cert, cert, key };

  test('reach a pod by its address and know it by its name', async () => {
    expect(await reportsFor(host, shown)).toEqual([7]);
  });

  test('take one name for every pod where the cache has one', async () => {
    expect(await reportsFor('another.name', { ...shown, serverName: host })).toEqual([7]);
  });

  test('do not believe a pod whose certificate is another’s, nor reach one without a certificate or TLS', async () => {
    expect(await reportsFor('cache-shard-0.cache-shards.there.svc', shown)).toEqual([]);
    expect(await reportsFor(host, { ca: authority.cert })).toEqual([]);
    expect(await reportsFor(host, undefined)).toEqual([]);
  });
});
