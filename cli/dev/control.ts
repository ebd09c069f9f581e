/**
 * How `kvcache scale` talks to the supervisor of a local cluster: lines of JSON over a Unix socket in the data folder.
 *
 *   client      { command: 'scale', shards, deletesFolders, abandon, waits }                    one line
 *   supervisor  accepted · progress… · done | failed | superseded      or: refused              a line each
 *
 * The socket is its owner's alone, like the folder's files: whoever may write the data may also change who holds it. It
 * goes with the process, however that ends. Rejected: a port on the loopback address, which every user of the machine
 * reaches and which would need a password of its own.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Accepted, ScaleEvent } from './scaler.ts';

export interface ScaleRequest {
  readonly command: 'scale';
  readonly shards: number;
  /** Delete the folders of shards that leave. */
  readonly deletesFolders: boolean;
  /** Shards whose last bytes are waited for no longer. */
  readonly abandon: readonly string[];
  /** False: the first answer is the last. */
  readonly waits: boolean;
}

export type ControlAnswer =
  | ({ readonly kind: 'accepted' } & Accepted)
  | ScaleEvent
  /** The request cannot be done, and nothing was. */
  | { readonly kind: 'refused'; readonly message: string };

export interface SocketPath {
  readonly path: string;
  release(): Promise<void>;
}

/**
 * The path of the socket, usable until it is released. Socket paths end at 107 bytes; through the name of a descriptor
 * the folder may be as deep as it likes where the system has such names.
 */
export async function socketPathIn(folder: string): Promise<SocketPath> {
  if (process.platform !== 'linux') return { path: join(folder, 'control.sock'), release: async () => undefined };
  const handle: FileHandle = await open(folder, 'r');
  return { path: `/proc/self/fd/${handle.fd}/control.sock`, release: () => handle.close() };
}
