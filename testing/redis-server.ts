/**
 * A real redis-server for one test file, and a client that hands its replies over as ours are: status as string, bulk as
 * Buffer, error as ReplyError, so that a test compares reply by reply. Nothing of it is kept on disk.
 *
 * Where redis-server is not installed, tests that compare with it are skipped: `describe.skipIf(!hasRedisServer())`.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Reply, ReplyError } from '../commands/reply.ts';
import type { ErrorCode } from '../errors.ts';
import { freePort } from './free-port.ts';

/** True if redis-server can be started here; says so once if it cannot. */
export function hasRedisServer(): boolean {
  const isInstalled = spawnSync('redis-server', ['--version']).status === 0;
  if (!isInstalled) process.stderr.write('redis-server is not installed: what compares with it is skipped\n');
  return isInstalled;
}

const attemptsMax = 5;

export class RedisServer {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #client: RedisConnection;

  private constructor(port: number, child: ChildProcess, client: RedisConnection) {
    this.port = port;
    this.#process = child;
    this.#client = client;
  }

  /** Starts one on a free port of this machine, with more of its settings as on its command line. */
  static async start(...settings: string[]): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
      const child = spawn('redis-server', [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
      if (await isReady(child)) return new RedisServer(port, child, await RedisConnection.open(port));
      if (attempt === attemptsMax) throw new Error(`redis-server ended with ${child.exitCode}`);
    }
  }

  /** The reply to one command; commands that are begun one after the other are sent as one pipeline. */
  run(name: string, ...args: (string | number | Buffer)[]): Promise<Reply> {
    return this.#client.run([name, ...args]);
  }

  async stop(): Promise<void> {
    this.#client.close();
    if (this.#process.exitCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }
}

/** False if it ended before it was ready: somebody else took the port. */
async function isReady(child: ChildProcess): Promise<boolean> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.includes('Ready to accept connections')) continue;
    // Whatever else it says is of no interest, but must be read.
    child.stdout!.resume();
    return true;
  }
  return false;
}

/** What a reply needs more bytes for. */
const incomplete = Symbol('incomplete');

class RedisConnection {
  readonly #socket: Socket;
  readonly #waiting: ((reply: Reply) => void)[] = [];
  #unread = Buffer.alloc(0);
  #at = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RedisConnection(socket);
  }

  run(args: readonly (string | number | Buffer)[]): Promise<Reply> {
    const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
    for (const arg of args) {
      const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
      parts.push(Buffer.from(`$${bytes.byteLength}\r\n`), bytes, Buffer.from('\r\n'));
    }
    this.#socket.write(Buffer.concat(parts));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (;;) {
      this.#at = 0;
      const reply = this.#parse();
      if (reply === incomplete) return;
      this.#unread = this.#unread.subarray(this.#at);
      this.#waiting.shift()!(reply);
    }
  }

  #parse(): Reply | typeof incomplete {
    const end = this.#unread.indexOf('\r\n', this.#at);
    if (end < 0) return incomplete;
    const kind = String.fromCharCode(this.#unread[this.#at]!);
    const line = this.#unread.toString('latin1', this.#at + 1, end);
    this.#at = end + 2;
    if (kind === '+') return line;
    if (kind === '-') return errorOf(line);
    if (kind === ':') return Number.isSafeInteger(Number(line)) ? Number(line) : BigInt(line);
    return kind === '$' ? this.#bulk(Number(line)) : this.#array(Number(line));
  }

  #bulk(length: number): Reply | typeof incomplete {
    if (length < 0) return null;
    const from = this.#at;
    this.#at += length + 2;
    return this.#at > this.#unread.byteLength ? incomplete : Buffer.from(this.#unread.subarray(from, from + length));
  }

  #array(length: number): Reply | typeof incomplete {
    if (length < 0) return null;
    const items: Reply[] = [];
    while (items.length < length) {
      const item = this.#parse();
      if (item === incomplete) return incomplete;
      items.push(item);
    }
    return items;
  }
}

function errorOf(line: string): ReplyError {
  const space = line.indexOf(' ');
  return new ReplyError(line.slice(0, space) as ErrorCode, line.slice(space + 1));
}
