/**
 * One process a data directory, held by a listening Unix socket `lock.sock` inside it.
 *
 * The kernel ends the listening with the process, however it dies, so a lock is never left behind; and unlike a file
 * with a process id in it, it also holds between containers that share a volume. Rejected: flock (Node has none),
 * process ids (every container's first process has the same one).
 *
 * A socket file that nobody listens on is moved aside before it is replaced; if somebody turns out to listen after
 * all (two processes started at once), it is moved back.
 */
import { open, rename, unlink } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { KvcacheError } from '../../errors.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Rejects with LOCKED if another process holds the directory. */
export async function lockDirectory(folder: string): Promise<DirectoryLock> {
  // Socket paths end at 107 bytes; through the descriptor's name the folder may be as deep as it likes.
  const handle = await open(folder, 'r');
  const base = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : folder;
  try {
    const server = (await listen(join(base, 'lock.sock'))) ?? (await replaceStale(base, folder));
    return {
      release: async () => {
        await new Promise<void>((resolve) => server.close(() => resolve()));
        await handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Undefined if the name is taken. */
function listen(path: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(path, () => resolve(server));
  });
}

async function replaceStale(base: string, folder: string): Promise<net.Server> {
  const path = join(base, 'lock.sock');
  const locked = new KvcacheError(
    'LOCKED',
    `${folder} is used by another process; end it first or give this one a directory of its own`,
  );
  if (await answers(path)) throw locked;
  const aside = join(base, `lock-${randomUUID()}.sock`);
  await rename(path, aside);
  if (await answers(aside)) {
    await rename(aside, path);
    throw locked;
  }
  await unlink(aside);
  const server = await listen(path);
  if (server === undefined) throw locked;
  return server;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
