/** Tells before anything starts which ports other programs hold, all of them at once. */
import net from 'node:net';
import { KvcacheError } from '../../errors.ts';
import type { PortUse } from './layout.ts';

/** True if something listens on the port, on `host` or on all addresses. */
async function isTaken(host: string, port: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const server = net.createServer();
  server.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') resolve(true);
    else reject(new KvcacheError('CONFIG', `cannot listen on ${host}:${port}: ${error.message}`));
  });
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(false)));
  return promise;
}

/** Throws CONFIG with a line for every port that is taken: which one, for whom, and what to do. */
export async function requireFreePorts(
  host: string,
  ports: readonly PortUse[],
  portBase: number | undefined,
): Promise<void> {
  const taken = await Promise.all(ports.map(async (use) => ({ ...use, isTaken: await isTaken(host, use.port) })));
  const faults = taken
    .filter((use) => use.isTaken)
    .map(({ port, role }) => `port ${port} (${role}) is taken by another process`);
  if (faults.length === 0) return;
  throw new KvcacheError(
    'CONFIG',
    `${faults.join('\n')}\nend that process, or choose other ports with --port-base N (N to N+99), such as --port-base ${portBase === undefined ? 21_000 : portBase + 100}`,
  );
}
