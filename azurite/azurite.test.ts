import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { BlobServiceClient } from '@azure/storage-blob';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { Azurite, requireAzurite } from './azurite.ts';

let directory: string;
let azurite: Azurite;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kvcache-azurite-'));
  azurite = await Azurite.start({ directory: join(directory, 'data') });
});
afterEach(async () => {
  await azurite.kill();
  await rm(directory, { recursive: true, force: true });
});

function container() {
  return BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient('kept');
}

test('where it is not installed, one sentence says what to do instead', () => {
  expect(() => requireAzurite()).not.toThrow();
  const elsewhere = pathToFileURL(join(directory, 'program.ts')).href;
  expect(() => requireAzurite(elsewhere)).toThrow(/not installed here; name another account with --blob/);
});

describe('Azurite', () => {
  test('keeps its port and everything it acknowledged over a stop and a restart', async () => {
    const { port } = azurite;
    await container().create();
    await container().getBlockBlobClient('blob').upload('text', 4);
    await azurite.stop();
    expect(azurite.pid).toBeUndefined();
    await azurite.restart();
    expect(azurite.port).toBe(port);
    expect((await container().getBlockBlobClient('blob').downloadToBuffer()).toString()).toBe('text');
  });

  test('ends when it is told to in the very moment it has started', async () => {
    await azurite.stop();
    await azurite.restart();
    await azurite.stop();
    expect(azurite.pid).toBeUndefined();
  });

  test('says which port is taken', async () => {
    const second = Azurite.start({ directory: join(directory, 'second'), port: azurite.port });
    await expect(second).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining(`port ${azurite.port} for Azurite is taken`),
    });
  });

  test('ends when its parent is killed', async () => {
    await azurite.kill();
    const module = fileURLToPath(new URL('./azurite.ts', import.meta.url));
    const parentFile = join(directory, 'parent.mjs');
    await writeFile(
      parentFile,
      `const { Azurite } = await import(${JSON.stringify(module)});
       const azurite = await Azurite.start({ directory: ${JSON.stringify(join(directory, 'data'))} });
       process.send(azurite.pid);`,
    );
    const parent = fork(parentFile);
    const [pid] = (await once(parent, 'message')) as [number];
    parent.kill('SIGKILL');
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
