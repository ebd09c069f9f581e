/** The example against a real cluster. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DevProcess } from '../../cli/testing/command.ts';
import { KvStoreClient } from '../../client/prompt-client.ts';
import { blockTokens } from '../../limits.ts';
import { ModelServer } from './model-server.ts';
import { settingsOf } from './settings.ts';
import { defaultShape, tokensOf, Traffic } from './traffic.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let dev: DevProcess;
beforeAll(async () => {
  dev = await DevProcess.start({ args: ['--shards', '2'] });
});
afterAll(async () => dev?.dispose());

function replica(server: string, model: string): ModelServer & Disposable {
  const client = new KvStoreClient({ server, timeoutMs: 5_000, retry: { attemptsMax: 1 } });
  client.initialize('https://models.example', 'prompts');
  const modelServer = new ModelServer({ client, model, blockBytes: 4_096, prefillMs: 0 });
  return Object.assign(modelServer, { [Symbol.dispose]: () => client.close() });
}

const address = (): string => `localhost:${dev.portBase}`;

test('one replica finds what another has computed, and a longer prompt finds its beginning', async () => {
  using first = replica(address(), 'shared');
  using second = replica(address(), 'shared');
  const tokens = tokensOf('a prompt', 5 * blockTokens + 7);
  expect(await first.serve({ id: 'a', tokens })).toBe(0);
  expect(await second.serve({ id: 'b', tokens })).toBe(5);
  expect(await second.serve({ id: 'c', tokens: [...tokens, ...tokensOf('more', 3 * blockTokens)] })).toBe(5);
  expect(second.figures).toMatchObject({ requests: 2, blocks: 13, cached: 10, written: 3, failures: 0, wrong: 0 });
});

test('models do not see each other’s blocks', async () => {
  using one = replica(address(), 'one');
  using other = replica(address(), 'other');
  const tokens = tokensOf('a prompt', 2 * blockTokens);
  await one.serve({ id: 'a', tokens });
  expect(await other.serve({ id: 'b', tokens })).toBe(0);
});

test('without the cache requests are served all the same', async () => {
  using server = replica('localhost:1', 'shared');
  expect(await server.serve({ id: 'a', tokens: tokensOf('a prompt', 2 * blockTokens) })).toBe(0);
  expect(server.figures).toMatchObject({ requests: 1, blocks: 2, written: 0, failures: 3 });
});

test('every turn of a conversation begins with the turns before it', () => {
  const traffic = new Traffic({ ...defaultShape, conversations: 1, turnsMax: 2 }, () => 0);
  const [first, second, again] = [traffic.next(), traffic.next(), traffic.next()];
  expect(second.tokens.slice(0, first.tokens.length)).toEqual(first.tokens);
  expect(second.tokens.length).toBe(first.tokens.length + defaultShape.turnTokens);
  expect(again).toEqual(first);
});

test('a setting that is no number is refused by name', () => {
  expect(() => settingsOf({ PREFILL_MS: 'fast' })).toThrow("PREFILL_MS is 'fast'; it must be a number, at least 0");
});

test('the process answers HTTP, tells its figures and ends when told to', async () => {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { ...process.env, KVSTORE_GRPC_SERVER: address(), PORT: '0', REQUESTS_PER_SECOND: '50', PREFILL_MS: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  const [begun] = (await once(output, 'line')) as [string];
  const http = `http://localhost:${/port (\d+)$/.exec(begun)![1]}`;
  expect((await fetch(`${http}/health`)).status).toBe(200);
  await expect
    .poll(async () => ((await (await fetch(http)).json()) as { cached: number }).cached, { timeout: 60_000 })
    .toBeGreaterThan(0);
  expect(await (await fetch(`${http}/metrics`)).text()).toMatch(/^model_server_cached_total \d+$/m);
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  expect((await closed)[0]).toBe(0);
  expect(lines.at(-1)).toMatch(/^\d+ requests, [\d.]+ % of \d+ blocks cached, .* 0 blocks wrong, 0 under way$/);
});
