import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { storedTypes } from '../../commands/stored-type.ts';
import { KvcacheError } from '../../errors.ts';
import { temporaryFolder } from '../../testing/store.ts';
import { spaceOfKeys } from '../journal.ts';
import { systemFiles } from './files.ts';
import { recordKinds } from './record.ts';
import { SegmentWriter } from './segment-writer.ts';

const fenced = new KvcacheError('FENCED', 'another process has taken over');
const stamp = { flags: 0, epoch: 1, writtenAtMs: 0 };

async function openWriter(): Promise<{ writer: SegmentWriter; append: () => void }> {
  const folder = temporaryFolder('segment-writer');
  const file = await open(join(folder.path, 'segment'), 'w');
  onTestFinished(async () => {
    await file.close();
    folder.remove();
  });
  const writer = new SegmentWriter(file.fd, 0, 7, systemFiles, false);
  const record = {
    kind: recordKinds.value,
    space: spaceOfKeys,
    type: storedTypes.bytes,
    slot: 1,
    expireAtMs: 0,
  } as const;
  let sequence = 0;
  const append = (): void => {
    const fields = { ...record, sequence: ++sequence, key: Buffer.from('key'), meta: undefined };
    writer.append({ ...fields, value: Buffer.alloc(100) }, stamp);
  };
  return { writer, append };
}

test('who waits for a writer that is given up hears of it, whenever that happens and whenever they ask', async () => {
  // Turns of the loop between the question and the end: before the batch begins, while it is written, after it.
  for (const turns of [0, 1, 2, 5, 20]) {
    const { writer, append } = await openWriter();
    append();
    const before = writer.synced(writer.bytes).catch((error: unknown) => error);
    for (let count = 0; count < turns; count++) await turn();
    writer.abandon(fenced);
    expect([undefined, fenced]).toContain(await before);
    append();
    for (let count = 0; count < 3; count++) {
      const { bytes } = writer;
      await expect(writer.synced(bytes)).rejects.toBe(fenced);
      await expect(writer.written(bytes)).rejects.toBe(fenced);
      await expect(writer.admit(100)).rejects.toBe(fenced);
      await turn();
    }
  }
});
