import { afterEach, describe, expect, test } from 'vitest';
import { message, processorUs, startModule, startProgram, untilListening, versionOf } from './children.ts';

let scope = new AsyncDisposableStack();
afterEach(async () => {
  await scope.disposeAsync();
  scope = new AsyncDisposableStack();
});

describe('processes of a bench', () => {
  test('a module tells its port by message, and ends with the scope', async () => {
    const child = startModule(scope, 'sides/bare-resp.ts');
    expect(await message<number>(child)).toBeGreaterThan(0);
    await scope.disposeAsync();
    expect(child.process.exitCode ?? child.process.signalCode).not.toBeNull();
  });

  test('one that ends before it has said anything is a fault with its last words', async () => {
    const child = startModule(scope, 'sides/no-such-file.ts');
    await expect(message(child)).rejects.toThrow(/ended: .*no-such-file/s);
    await expect(message(child)).rejects.toThrow('ended');
  });

  test('a program that ends instead of listening is a fault', async () => {
    const child = startProgram(scope, process.execPath, ['-e', 'console.error("no port for me")']);
    await expect(untilListening(child, 1)).rejects.toThrow('does not listen: no port for me');
  });

  test('a program that is started when the scope is over is ended at once', async () => {
    await scope.disposeAsync();
    const child = startProgram(scope, process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await new Promise((resolve) => child.process.once('exit', resolve));
    expect(child.process.signalCode).toBe('SIGKILL');
  });

  test('a version is the first line of what the program says, and undefined where there is no such program', () => {
    expect(versionOf(process.execPath)).toBe(process.version);
    expect(versionOf('kvcache-no-such-program')).toBeUndefined();
  });

  test.runIf(process.platform === 'linux')('processor time of this process grows, and that of none is zero', () => {
    const before = processorUs([process.pid])!;
    let sum = 0;
    for (let index = 0; index < 5_000_000; index++) sum += index % 7;
    expect(sum).toBeGreaterThan(0);
    expect(processorUs([process.pid])).toBeGreaterThan(before);
    expect(processorUs([])).toBe(0);
  });
});
