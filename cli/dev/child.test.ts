import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SupervisedChild, untilReadyMessage } from './child.ts';

let folder: string;
let child: SupervisedChild | undefined;
let sentences: string[];
let changes: EventEmitter<Record<string, []>>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kvcache-child-'));
  sentences = [];
  changes = new EventEmitter();
});
afterEach(async () => {
  await child?.stop(1_000);
  rmSync(folder, { recursive: true, force: true });
});

/** A child that runs `source` and is ready when it says so. */
function childOf(source: string): SupervisedChild {
  const module = join(folder, 'child.ts');
  writeFileSync(module, source);
  child = new SupervisedChild({
    id: 'shard-0',
    module,
    args: [],
    environment: process.env,
    logPath: join(folder, 'logs/shard-0.log'),
    untilReady: untilReadyMessage,
    onChange: (changed, sentence) => {
      if (sentence !== undefined) sentences.push(sentence);
      changes.emit(changed.state);
    },
  });
  return child;
}

const sayReady = "process.send!({ kind: 'ready' });";
const stayUp = 'setInterval(() => undefined, 1000);';

test('a child that is killed is started again, with a line that says so', async () => {
  const subject = childOf(`${sayReady}${stayUp}`);
  await subject.start();
  const first = subject.pid!;
  const readyAgain = once(changes, 'ready');
  process.kill(first, 'SIGKILL');
  await readyAgain;
  expect(subject.pid).not.toBe(first);
  expect(subject.restarts).toBe(1);
  expect(sentences).toEqual([
    `shard-0 ended (SIGKILL) and is started again; its log is ${subject.logPath}`,
    'shard-0 is ready again',
  ]);
});

test('a child that ends before it was ever ready is reported with its last words and not started again', async () => {
  const subject = childOf("console.log('why it ended'); process.exit(5);");
  await expect(subject.start()).rejects.toThrow(
    'shard-0 ended while starting (exit code 5): why it ended (all of it in',
  );
  expect(subject.state).toBe('failed');
  expect(readFileSync(subject.logPath, 'utf8')).toBe('why it ended\n');
});

test('a child whose exit code says that a restart cannot help stays down', async () => {
  const subject = childOf(`process.on('SIGUSR2', () => process.exit(71));${sayReady}${stayUp}`);
  await subject.start();
  const failed = once(changes, 'failed');
  process.kill(subject.pid!, 'SIGUSR2');
  await failed;
  expect(sentences).toEqual([`shard-0 ended with exit code 71 and stays down; its log is ${subject.logPath}`]);
});

test('a child whose log was taken away is started again, with a new one', async () => {
  const subject = childOf(`${sayReady}${stayUp}`);
  await subject.start();
  rmSync(dirname(subject.logPath), { recursive: true });
  const readyAgain = once(changes, 'ready');
  process.kill(subject.pid!, 'SIGKILL');
  await readyAgain;
  expect(existsSync(subject.logPath)).toBe(true);
});

test('a child that cannot be started for a while is tried again until it can', async () => {
  const subject = childOf(`${sayReady}${stayUp}`);
  await subject.start();
  const logs = dirname(subject.logPath);
  rmSync(logs, { recursive: true });
  writeFileSync(logs, 'in the way of the folder of that name');
  changes.once('restarting', () => changes.once('restarting', () => rmSync(logs)));
  const readyAgain = once(changes, 'ready');
  process.kill(subject.pid!, 'SIGKILL');
  await readyAgain;
  expect(sentences[1]).toMatch(/^shard-0 cannot be started \(.*\) and is tried again$/);
  expect(sentences.at(-1)).toBe('shard-0 is ready again');
});

test('a child that does not end when it is told to is killed', async () => {
  const subject = childOf(`process.on('SIGTERM', () => undefined);${sayReady}${stayUp}`);
  await subject.start();
  await subject.stop(100);
  expect(subject.pid).toBeNull();
  expect(sentences).toEqual(['shard-0 did not end within 100 ms and is killed']);
});

test('a child is a process group of its own', async () => {
  const subject = childOf(`${sayReady}${stayUp}`);
  await subject.start();
  const { stdout } = spawnSync('ps', ['-o', 'pgid=', '-p', `${subject.pid}`], { encoding: 'utf8' });
  expect(Number(stdout)).toBe(subject.pid);
});
