/** `kvcache scale` against a real local cluster. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { KvcacheClient } from '../../client/key-client.ts';
import type { ControlAnswer } from '../dev/control.ts';
import { DevProcess, kvcache, type Outcome, spawnCommand, untilGone } from '../testing/command.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const keys = Array.from({ length: 300 }, (_, number) => [`key-${number}`, 'x'.repeat(30_000)] as const);

let dev: DevProcess;
beforeAll(async () => {
  dev = await DevProcess.start({ args: ['--shards', '2', '--handover-bandwidth', '1MiB'] });
  using client = new KvcacheClient({ server: `127.0.0.1:${dev.portBase}` });
  await client.mset(keys);
});
afterAll(() => dev?.dispose());

const scale = (...args: string[]): Promise<Outcome> => dev.run(['scale', ...args]);
const answersIn = (out: string): ControlAnswer[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ControlAnswer);
const shardIds = async (): Promise<string[]> =>
  (await dev.processes()).filter(({ role }) => role === 'shard').map(({ id }) => id);

/** Starts the command; resolves with what it says line by line, and its exit code. */
function startScale(...args: string[]): { lines: AsyncIterator<string>; code: Promise<number | null> } {
  const child = spawnCommand(['scale', ...args, '--port-base', `${dev.portBase}`]);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const code = new Promise<number | null>((resolve) => void child.once('close', resolve));
  return { lines, code };
}

/** Reads lines up to one that holds this text. */
async function untilLine(lines: AsyncIterator<string>, text: string): Promise<void> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`it ended without a line about ${text}`);
    if (value.includes(text)) return;
  }
}

describe('scale', () => {
  test('says in lines how far it is, and status shows what moves meanwhile', async () => {
    const source = await dev.pidOf('shard-0');
    const { lines, code } = startScale('3');
    await untilLine(lines, 'scaling from 2 to 3 shards');
    await untilLine(lines, 'slots, ');
    // While one that gives is paused, not everything can arrive.
    process.kill(source, 'SIGSTOP');
    expect((await dev.run(['status'])).out).toMatch(/^shard-2: 5461 slots arrive, .* left to move$/m);
    process.kill(source, 'SIGCONT');
    await untilLine(lines, '3 shards serve');
    expect(await code).toBe(0);
    expect(await shardIds()).toEqual(['shard-0', 'shard-1', 'shard-2']);
  });

  test('the same number again is done at once, and JSON is an answer a line', async () => {
    const { code, out } = await scale('3', '--json');
    const answers = answersIn(out);
    expect(code).toBe(0);
    expect(answers[0]).toEqual({ kind: 'accepted', from: 3, shards: 3, isQueued: false });
    expect(answers.at(-1)).toEqual({ kind: 'done', shards: 3, epoch: 3 });
  });

  test('another number while one is under way comes next; the first command says so and exits 1', async () => {
    const source = await dev.pidOf('shard-0');
    const first = startScale('5');
    await untilLine(first.lines, 'moving');
    // While one that gives is paused, the change cannot be over before the second command comes.
    process.kill(source, 'SIGSTOP');
    const second = await scale('2', '--no-wait');
    process.kill(source, 'SIGCONT');
    expect(second).toMatchObject({ code: 0 });
    expect(second.out).toBe('scaling from 5 to 2 shards; it begins when the change under way is done\n');
    expect(await first.code).toBe(1);
    const done = await scale('2');
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toContain('the cluster is to have 2 shards already\n');
    expect(done.out).toContain('2 shards serve\n');
    expect(await shardIds()).toEqual(['shard-0', 'shard-1']);
    expect(existsSync(join(dev.dataPath, 'shard-4'))).toBe(true);
  });

  test('--delete-folders takes the folders of those that leave, and of no other', async () => {
    expect(await scale('1', '--delete-folders')).toMatchObject({ code: 0 });
    expect(existsSync(join(dev.dataPath, 'shard-1'))).toBe(false);
    expect(existsSync(join(dev.dataPath, 'shard-4'))).toBe(true);
    using client = new KvcacheClient({ server: `127.0.0.1:${dev.portBase}` });
    expect(await client.size()).toBe(keys.length);
  });

  test('goes on after the supervisor is killed before the new shards are in the topology; Blob brings nothing back', async () => {
    using before = new KvcacheClient({ server: `127.0.0.1:${dev.portBase}` });
    await before.mset(keys.slice(0, 100).map(([key]) => [key, 'new'] as const));
    expect(await before.mdelete(keys.slice(100, 200).map(([key]) => key))).toBe(100);
    expect(await scale('2', '--no-wait')).toMatchObject({ code: 0 });
    const pids = (await dev.processes()).flatMap(({ pid }) => pid ?? []);
    await dev.end('SIGKILL');
    const { portBase, dataPath } = dev;
    await untilGone(pids);
    dev = await DevProcess.start({ portBase, dataPath, args: ['--handover-bandwidth', '1MiB'] });
    expect(await scale('2')).toMatchObject({ code: 0 });
    expect(await shardIds()).toEqual(['shard-0', 'shard-1']);
    // The folder of shard-1 is deleted: what it knows of its former life comes from Blob.
    using after = new KvcacheClient({ server: `127.0.0.1:${portBase}` });
    const values = await after.mget(keys.map(([key]) => key));
    const kinds = values.map((value) => (value === null ? 'none' : value.toString() === 'new' ? 'new' : 'old'));
    const times = (kind: string): string[] => Array.from({ length: 100 }, () => kind);
    expect(kinds).toEqual([...times('new'), ...times('none'), ...times('old')]);
    expect(await after.size()).toBe(200);
  });
});

describe('what cannot be', () => {
  test.each(['0', '21', 'many', '2.5'])('scale %s is exit code 2 and says what would be right', async (number) => {
    expect(await scale(number)).toMatchObject({
      code: 2,
      err: expect.stringContaining('It must be a whole number from 1 to 20.') as string,
    });
  });

  test('giving up a shard from which nothing is on its way is refused', async () => {
    expect(await scale('2', '--abandon', 'shard-1')).toMatchObject({
      code: 2,
      err: 'kvcache: nothing is on its way from shard-1, so there is nothing to give up\n',
    });
    expect((await scale('2', '--abandon', '../etc')).err).toContain('shards are named shard-0');
  });

  test('where no local cluster runs it is exit code 4, with where to look', async () => {
    const { code, err } = await kvcache(['scale', '3', '--server', 'cache.example:50051']);
    expect(code).toBe(4);
    expect(err).toContain('no local cluster has its router at cache.example:50051');
    expect(err).toContain('kubectl scale');
  });
});

describe('the control socket', () => {
  const path = (): string => join(dev.dataPath, 'control.sock');

  test('is its owner’s alone', () => {
    expect(statSync(path()).mode & 0o777).toBe(0o700);
  });

  test.each([
    ['a command that it does not know', '{"command":"stop"}', 'knows no command \\"stop\\"'],
    ['what is not JSON', 'scale 5', 'is no line of JSON'],
    ['a line without an end', 'x'.repeat(70_000), 'is no line of JSON'],
    [
      'a number that cannot be',
      '{"command":"scale","shards":1000,"deletesFolders":false,"abandon":[],"waits":false}',
      'the number of shards is 1000; it must be a whole number from 1 to 20',
    ],
  ])('refuses %s and changes nothing', async (_, line, message) => {
    const desired = readFileSync(join(dev.dataPath, 'desired.json'), 'utf8');
    const socket = connect(path());
    socket.write(`${line}\n`);
    const answers: string[] = [];
    for await (const answer of createInterface({ input: socket })) answers.push(answer);
    socket.destroy();
    expect(answers).toHaveLength(1);
    expect(answers[0]).toContain('"kind":"refused"');
    expect(answers[0]).toContain(message);
    expect(readFileSync(join(dev.dataPath, 'desired.json'), 'utf8')).toBe(desired);
  });
});
