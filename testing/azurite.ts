/** A real Azurite for one test file: its own process, port and temporary folder, all gone afterwards. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Azurite } from '../azurite/azurite.ts';

export interface TestAzurite {
  readonly azurite: Azurite;
  /** A name that no other call has given. Nothing is created. */
  newContainerName(): string;
  /** Ends it, keeps a copy of its data, and starts it again. */
  snapshot(): Promise<void>;
  /** Kills it, and starts it again over the copy: what a SIGKILL may do to the last five seconds, for certain. */
  rollBack(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export async function startTestAzurite(): Promise<TestAzurite> {
  const folder = await mkdtemp(join(tmpdir(), 'kvcache-azurite-'));
  const directory = join(folder, 'data');
  const copy = join(folder, 'snapshot');
  const azurite = await Azurite.start({ directory });
  let containers = 0;
  return {
    azurite,
    newContainerName() {
      containers += 1;
      return `test-${containers}`;
    },
    async snapshot() {
      await azurite.stop();
      await rm(copy, { recursive: true, force: true });
      await cp(directory, copy, { recursive: true });
      await azurite.restart();
    },
    async rollBack() {
      await azurite.kill();
      await rm(directory, { recursive: true });
      await cp(copy, directory, { recursive: true });
      await azurite.restart();
    },
    async remove() {
      await azurite.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
