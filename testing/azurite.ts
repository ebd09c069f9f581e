/** A real Azurite for one test file: its own process, port and temporary folder, all gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Azurite } from '../azurite/azurite.ts';

export interface TestAzurite {
  readonly azurite: Azurite;
  /** A name that no other call has given. Nothing is created. */
  newContainerName(): string;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export async function startTestAzurite(): Promise<TestAzurite> {
  const directory = await mkdtemp(join(tmpdir(), 'kvcache-azurite-'));
  const azurite = await Azurite.start({ directory });
  let containers = 0;
  return {
    azurite,
    newContainerName() {
      containers += 1;
      return `test-${containers}`;
    },
    async remove() {
      await azurite.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
