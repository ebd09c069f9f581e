/**
 * One RESP connection for what redis-benchmark cannot do: storing exactly these keys, and asking one command after the
 * other. It counts replies and does not build them; an error reply is a fault.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const pipelineBytes = 256 * 1024;
const minus = 45;

export class RespConnection {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
  }

  static async open(port: number): Promise<RespConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RespConnection(socket);
  }

  /** Stores the keys that redis-benchmark asks for, in pipelines. */
  async fill(keys: number, valueBytes: number): Promise<void> {
    const value = Buffer.alloc(valueBytes, 'x');
    let parts: Buffer[] = [];
    let bytes = 0;
    for (let index = 0; index < keys; index++) {
      const parcel = encode(['SET', keyOf(index), value]);
      parts.push(parcel);
      bytes += parcel.length;
      if (bytes < pipelineBytes && index < keys - 1) continue;
      await this.run(parts);
      parts = [];
      bytes = 0;
    }
  }

  /** Sends commands that are answered by one line each, such as SET and EXISTS, or by `lines`, and waits for all of them. */
  run(commands: readonly Buffer[], lines = 1): Promise<void> {
    return new Promise((resolve, reject) => {
      let missing = commands.length * lines;
      let isLineStart = true;
      const finish = (error?: Error): void => {
        this.#socket.off('data', read).off('error', finish).off('close', closed);
        if (error) reject(error);
        else resolve();
      };
      const closed = (): void => finish(new Error('the server closed the connection'));
      const read = (chunk: Buffer): void => {
        for (let at = 0; at < chunk.length;) {
          if (isLineStart && chunk[at] === minus) return finish(new Error(chunk.toString('latin1', at, at + 200)));
          const end = chunk.indexOf(10, at);
          isLineStart = end >= 0;
          if (end < 0) return undefined;
          missing--;
          at = end + 1;
        }
        return missing <= 0 ? finish() : undefined;
      };
      this.#socket.on('data', read).on('error', finish).on('close', closed);
      this.#socket.write(Buffer.concat(commands));
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

export async function fillKeys(port: number, keys: number, valueBytes: number): Promise<void> {
  const connection = await RespConnection.open(port);
  try {
    await connection.fill(keys, valueBytes);
  } finally {
    connection.close();
  }
}

/** The key that redis-benchmark makes of this number. */
export function keyOf(index: number): string {
  return `key:${String(index).padStart(12, '0')}`;
}

export function encode(args: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
