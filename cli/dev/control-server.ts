/** The supervisor's end of the control socket; control.ts has the protocol. */
import { rm } from 'node:fs/promises';
import net from 'node:net';
import { KvcacheError, messageOf } from '../../errors.ts';
import { controlConnectionsMax, controlLineBytesMax, controlUnreadBytesMax, localShardsMax } from '../../limits.ts';
import { type ControlAnswer, type ScaleRequest, type SocketPath, socketPathIn } from './control.ts';
import { shardIndexOf } from './layout.ts';
import type { ScaleEvent, Scaler } from './scaler.ts';

export class ControlServer {
  readonly #scaler: Scaler;
  readonly #server: net.Server;
  readonly #connections = new Set<net.Socket>();
  #path: SocketPath | undefined;

  constructor(scaler: Scaler) {
    this.#scaler = scaler;
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => this.#onConnection(socket));
    this.#server.maxConnections = controlConnectionsMax;
  }

  /** The caller holds the folder's lock: a socket that is there already is a dead process's. */
  async listen(folder: string): Promise<void> {
    const place = await socketPathIn(folder);
    this.#path = place;
    await rm(place.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      // The socket is made within the call, so that no moment passes in which others may connect.
      const mask = process.umask(0o077);
      this.#server.listen(place.path, resolve);
      process.umask(mask);
    });
  }

  /** Ends all connections and takes the socket away. */
  async close(): Promise<void> {
    if (this.#path === undefined) return;
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
    await this.#path.release();
    this.#path = undefined;
  }

  #onConnection(socket: net.Socket): void {
    this.#connections.add(socket);
    const leaving = new AbortController();
    socket.once('close', () => {
      this.#connections.delete(socket);
      leaving.abort();
    });
    // Whoever asked may go at any time; the change goes on.
    socket.on('error', () => socket.destroy());
    const answer = (line: ControlAnswer): void => {
      socket.write(`${JSON.stringify(line)}\n`);
      // One that was stopped reads nothing; it must not be kept for.
      if (socket.writableLength > controlUnreadBytesMax) socket.destroy();
    };
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end === -1 && text.length <= controlLineBytesMax) return;
      socket.removeAllListeners('data').resume();
      this.#serve(text.slice(0, Math.max(end, 0)), answer, leaving.signal).then(
        () => socket.end(),
        (error: unknown) => {
          answer({ kind: 'refused', message: messageOf(error) });
          socket.end();
        },
      );
    });
  }

  /** Resolves when there is nothing more to say. */
  async #serve(line: string, answer: (line: ControlAnswer) => void, gone: AbortSignal): Promise<void> {
    const { shards, deletesFolders, abandon, waits } = parseRequest(line);
    for (const name of abandon) this.#scaler.abandon(name);
    const accepted = await this.#scaler.request(shards, deletesFolders);
    answer({ kind: 'accepted', ...accepted });
    if (!waits || gone.aborted) return;
    await new Promise<void>((resolve) => {
      const stop = this.#scaler.listen((event) => {
        answer(event);
        if (isLast(event)) end();
      });
      const end = (): void => {
        stop();
        resolve();
      };
      gone.addEventListener('abort', end, { once: true });
    });
  }
}

function isLast({ kind }: ScaleEvent): boolean {
  return kind !== 'progress';
}

function parseRequest(line: string): ScaleRequest {
  const fault = (what: string): KvcacheError =>
    new KvcacheError('CONFIG', `${what}: is this command of the same version as the cluster?`);
  let request: Partial<Record<keyof ScaleRequest, unknown>>;
  try {
    request = JSON.parse(line) as typeof request;
  } catch (error) {
    throw new KvcacheError('CONFIG', `the request is no line of JSON (${messageOf(error)})`, { cause: error });
  }
  const { command, shards, deletesFolders, abandon, waits } = request ?? {};
  if (command !== 'scale') throw fault(`the supervisor knows no command ${JSON.stringify(command)}`);
  if (typeof shards !== 'number' || !Number.isInteger(shards) || shards < 1 || shards > localShardsMax) {
    throw new KvcacheError(
      'CONFIG',
      `the number of shards is ${JSON.stringify(shards)}; it must be a whole number from 1 to ${localShardsMax}`,
    );
  }
  const isShard = (name: unknown): name is string => typeof name === 'string' && shardIndexOf(name) !== undefined;
  if (!Array.isArray(abandon) || !abandon.every(isShard)) {
    throw new KvcacheError(
      'CONFIG',
      `--abandon names ${JSON.stringify(abandon)}; shards are named shard-0, shard-1, …`,
    );
  }
  if (typeof deletesFolders !== 'boolean' || typeof waits !== 'boolean')
    throw fault('a part of the request is missing');
  return { command, shards, deletesFolders, abandon, waits };
}
