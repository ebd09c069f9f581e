/** What `kvcache dev` shows once the cluster is ready: one screen of addresses and first commands. */
import { relative } from 'node:path';
import { azuriteAccountUrl } from '../../azurite/azurite.ts';
import { styled, type Terminal } from '../terminal.ts';
import type { LocalCluster } from './cluster.ts';

/** A tokens file that every clone has. */
const examplePrompts = 'acceptance/data/prompts.json';

/** Relative where that is shorter to read: below the folder in which the person is. */
function shownPath(path: string): string {
  const below = relative(process.cwd(), path) || '.';
  return below.startsWith('..') ? path : below;
}

/** The line that scripts wait for. */
const readyLine = 'kvcache is ready';

export function printReadyScreen(
  terminal: Terminal,
  cluster: LocalCluster,
  options: { readonly host: string; readonly portBase: number | undefined; readonly tookMs: number },
): void {
  const { layout } = cluster;
  const host = options.host === '0.0.0.0' ? 'localhost' : options.host;
  const where = options.portBase === undefined ? '' : ` --port-base ${options.portBase}`;
  const http = `http://${host}:${layout.router.httpPort}`;
  const shardPorts = layout.shards.map(({ grpcPort }) => grpcPort).join(', ');
  const respPorts = layout.shards.map(({ respPort }) => respPort).join(', ');
  const rows: [string, string][] = [
    ['gRPC', `${host}:${layout.router.grpcPort}`],
    ['HTTP', `${http}  (the dashboard, REST, /metrics)`],
    ['RESP', `${host}:${layout.router.respPort}  (Redis’ protocol)`],
    ['TCP', `${host}:${layout.router.tcpPort}  (the binary protocol of typed values)`],
    ['shards', `${layout.shards.length}, each also by itself on gRPC ${shardPorts}`],
    ['', `and as nodes of a Redis cluster on ${respPorts}`],
    ...(cluster.usesAzurite
      ? [['Blob', `Azurite at ${azuriteAccountUrl(layout.azurite.blobPort)}`] satisfies [string, string]]
      : []),
    ['data', shownPath(layout.dataPath)],
    ['start', `took ${(options.tookMs / 1000).toFixed(1)} s`],
  ];
  const examples: [string, string][] = [
    [`bin/kvcache set greeting hello${where}`, 'store a value'],
    [`bin/kvcache get greeting${where}`, 'and read it'],
    [`redis-cli -p ${layout.router.respPort} get greeting`, 'the same as any Redis client reads it'],
    [`bin/kvcache playground ${examplePrompts}${where}`, 'write, find and verify prompt blocks'],
    [`bin/kvcache status${where}`, 'shards, slots, tiers, lag'],
    [`curl ${http}/metrics`, 'what Prometheus sees'],
  ];
  const width = Math.max(...examples.map(([command]) => command.length));
  terminal.line(styled(terminal, 'green', readyLine));
  terminal.line();
  for (const [name, value] of rows) terminal.line(`  ${name.padEnd(8)}${value}`);
  terminal.line();
  terminal.line('In another terminal:');
  for (const [command, what] of examples) {
    terminal.line(`  ${styled(terminal, 'bold', command.padEnd(width))}   ${styled(terminal, 'dim', what)}`);
  }
  terminal.line();
  terminal.line('Ctrl-C flushes everything to Blob and ends all processes; a second one ends them at once.');
}
