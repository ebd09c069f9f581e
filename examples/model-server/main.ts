/**
 * The example's process: requests at a steady rate, a line of figures every ten seconds, and HTTP for whoever watches.
 *
 *   GET /health    200 while the process lives
 *   GET /          the figures as JSON
 *   GET /metrics   the figures for Prometheus
 *
 * KVSTORE_GRPC_SERVER (host:port of the KVCache's Service, or https://host:port) says where the cache is; settings.ts has
 * the rest.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KvStoreClient } from '../../client/prompt-client.ts';
import { type Figures, ModelServer } from './model-server.ts';
import { settingsOf } from './settings.ts';
import { Traffic } from './traffic.ts';

const reportIntervalMs = 10_000;
/** Requests that are served side by side at most; more than this, and the model would be the bottleneck. */
const concurrencyMax = 64;

function report(figures: Figures, serving: number): void {
  const { requests, blocks, cached, written, failures, wrong } = figures;
  const share = blocks === 0 ? 0 : (100 * cached) / blocks;
  process.stdout.write(
    `${requests} requests, ${share.toFixed(1)} % of ${blocks} blocks cached, ${written} written, ` +
      `${failures} calls failed, ${wrong} blocks wrong, ${serving} under way\n`,
  );
}

function metricsOf(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]: [string, number]) => {
      const metric = `model_server_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`;
      return `# TYPE ${metric} counter\n${metric} ${value}\n`;
    })
    .join('');
}

async function run(): Promise<void> {
  const settings = settingsOf(process.env);
  const { caFile, tokenFile } = settings;
  using client = new KvStoreClient({
    timeoutMs: 5_000,
    retry: { attemptsMax: 2 },
    ...(caFile !== undefined && { tls: { caFile } }),
    ...(tokenFile !== undefined && { credentials: { tokenFile } }),
  });
  client.initialize('https://models.example', 'prompts');
  const server = new ModelServer({ client, ...settings });
  const serving = new Set<Promise<unknown>>();

  const http = createServer(({ url }, response) => {
    if (url === '/health') response.end('ok\n');
    else if (url === '/metrics')
      response.setHeader('content-type', 'text/plain; version=0.0.4').end(metricsOf(server.figures));
    else if (url === '/')
      response.setHeader('content-type', 'application/json').end(`${JSON.stringify(server.figures)}\n`);
    else response.writeHead(404).end('not found\n');
  });
  http.listen(settings.port);
  await once(http, 'listening');
  process.stdout.write(`cache at ${client.server}, HTTP at port ${(http.address() as AddressInfo).port}\n`);

  const ended = Promise.withResolvers<void>();
  const traffic = new Traffic();
  let begun = 0;
  const requests = setInterval(() => {
    if (serving.size >= concurrencyMax) return;
    const request = server.serve(traffic.next()).finally(() => serving.delete(request));
    serving.add(request);
    request.catch(ended.reject);
    if (++begun === settings.requestsMax) ended.resolve();
  }, 1_000 / settings.requestsPerSecond);
  const reports = setInterval(() => report(server.figures, serving.size), reportIntervalMs);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ended.resolve());
  try {
    await ended.promise;
  } finally {
    clearInterval(requests);
    clearInterval(reports);
    await Promise.allSettled(serving);
    report(server.figures, 0);
    http.closeAllConnections();
    http.close();
  }
  if (server.figures.wrong > 0) process.exitCode = 1;
}

try {
  await run();
} catch (error) {
  process.stderr.write(`model-server: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
