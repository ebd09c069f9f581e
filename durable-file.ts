/** Small files that survive a crash of the machine, whole. */
import { open, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes names created, renamed or removed in a folder survive a crash of the machine. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Replaces a small file in one step: readers and crashes see the old content or the new, never a mixture. */
export async function replaceFile(path: string, content: Buffer | string): Promise<void> {
  const temporary = `${path}.new`;
  await writeFile(temporary, content, { flush: true });
  await rename(temporary, path);
  await syncFolder(dirname(path));
}
