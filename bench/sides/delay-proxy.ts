/**
 * A TCP proxy that adds latency and nothing else: every byte leaves `delayMs` after it came, at full bandwidth.
 *
 * Node's timers count whole milliseconds. The proxy sleeps in Atomics.wait instead, a tenth of a millisecond at a time,
 * with a look at its sockets in between: exact enough for half a millisecond each way, and it leaves the processor to
 * what is measured. It runs as a process of its own: `node bench/sides/delay-proxy.ts TARGET_PORT DELAY_MS`, and
 * tells its parent the port.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const sleepMs = 0.1;
const queuedBytesMax = 256 * 1024 * 1024;

interface Delayed {
  readonly dueMs: number;
  readonly to: Socket;
  /** Undefined: the end of the stream. */
  readonly chunk: Buffer | undefined;
}

class DelayLine {
  readonly #delayMs: number;
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #queue: Delayed[] = [];
  #bytes = 0;
  #running = false;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  join(from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.byteLength;
      if (this.#bytes > queuedBytesMax) throw new Error('the proxy holds more than it was made for');
      this.#push({ dueMs: performance.now() + this.#delayMs, to, chunk });
    });
    from.on('end', () => this.#push({ dueMs: performance.now() + this.#delayMs, to, chunk: undefined }));
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }

  #push(item: Delayed): void {
    this.#queue.push(item);
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    const now = performance.now();
    let due = 0;
    while (due < this.#queue.length && this.#queue[due]!.dueMs <= now) this.#send(this.#queue[due++]!);
    if (due > 0) this.#queue = this.#queue.slice(due);
    this.#running = this.#queue.length > 0;
    if (!this.#running) return;
    const waitMs = Math.min(sleepMs, this.#queue[0]!.dueMs - performance.now());
    if (waitMs > 0) Atomics.wait(this.#sleeper, 0, 0, waitMs);
    setImmediate(() => this.#run());
  }

  #send({ to, chunk }: Delayed): void {
    if (to.destroyed) return;
    if (!chunk) {
      to.end();
      return;
    }
    this.#bytes -= chunk.byteLength;
    to.write(chunk);
  }
}

const [targetPort, delayMs] = process.argv.slice(2).map(Number) as [number, number];
const line = new DelayLine(delayMs);
const server = createServer((client) => {
  const target = connect(targetPort, '127.0.0.1');
  line.join(client, target);
  line.join(target, client);
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));
