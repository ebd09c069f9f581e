/** For tests: a socket that speaks RESP byte by byte, so that a test sees what a client library would hide. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { encodedRequest } from './requests.ts';

export class RespClient {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #isEnded = false;
  /** Called when something has come, or the end. */
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#received.push(chunk as Buffer);
      this.#receivedBytes += chunk.length;
      this.#wake?.();
    });
    socket.on('close', () => {
      this.#isEnded = true;
      this.#wake?.();
    });
    // A test that is about broken connections breaks them.
    socket.on('error', () => socket.destroy());
  }

  static async open(port: number): Promise<RespClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RespClient(socket);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  send(...args: (Buffer | string)[]): void {
    this.socket.write(encodedRequest(args));
  }

  write(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** Everything received so far and not taken. */
  get received(): string {
    return Buffer.concat(this.#received).toString('latin1');
  }

  /** Resolves with exactly these bytes; fails if others come, or the connection ends before. */
  async expect(text: string): Promise<void> {
    const expected = Buffer.from(text, 'latin1');
    const bytes = await this.take(expected.byteLength);
    if (!bytes.equals(expected))
      throw new Error(`received ${JSON.stringify(bytes.toString('latin1'))}, not ${JSON.stringify(text)}`);
  }

  async take(count: number): Promise<Buffer> {
    while (this.#receivedBytes < count) await this.wait();
    const all = Buffer.concat(this.#received);
    this.#keep(all.subarray(count));
    return all.subarray(0, count);
  }

  /** Resolves with all that came before the other side ended the connection. */
  async untilEnd(): Promise<string> {
    if (!this.#isEnded) await once(this.socket, 'close');
    return this.received;
  }

  async ask(...args: (Buffer | string)[]): Promise<string> {
    this.send(...args);
    return await this.line();
  }

  /** One line of a reply, without its end. */
  async line(): Promise<string> {
    for (;;) {
      const all = Buffer.concat(this.#received);
      const end = all.indexOf('\r\n');
      if (end >= 0) {
        this.#keep(all.subarray(end + 2));
        return all.toString('latin1', 0, end);
      }
      await this.wait();
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #keep(rest: Buffer): void {
    this.#received = [rest];
    this.#receivedBytes = rest.byteLength;
  }

  /** Resolves when more has come. */
  wait(): Promise<void> {
    if (this.#isEnded) throw new Error(`ended after ${JSON.stringify(this.received.slice(0, 1_000))}`);
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
