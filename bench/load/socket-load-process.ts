/** The process behind socket-load.ts: takes a run by message, answers with its result. */
import { connect, type Socket } from 'node:net';
import { quantile } from '../harness/statistics.ts';
import type { SocketResult, SocketRun } from './socket-load.ts';

const samplesMax = 1_000_000;
const readBytes = 64 * 1024;

async function run(load: SocketRun): Promise<SocketResult> {
  const { port, batches, pipeline, replyBytes, replyFirstByte, connections, measuredMs } = load;
  const expected = pipeline * replyBytes;
  const latenciesMs: number[] = [];
  const sockets: Socket[] = [];
  const processor = process.cpuUsage();
  const beganMs = performance.now();
  const endMs = beganMs + measuredMs;
  let sent = 0;
  let requests = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      let open = connections;
      const start = (): void => {
        let missing = 0;
        let sentAtMs = 0;
        const next = (): void => {
          sentAtMs = performance.now();
          if (sentAtMs >= endMs) {
            if (--open === 0) resolve();
            return;
          }
          missing = expected;
          socket.write(batches[sent++ % batches.length]!);
        };
        const read = (count: number, chunk: Uint8Array): boolean => {
          if (missing === expected && chunk[0] !== replyFirstByte) {
            reject(new Error(`a reply begins with byte ${chunk[0]}, not ${replyFirstByte}`));
            return false;
          }
          missing -= count;
          if (missing < 0) reject(new Error(`replies are longer than ${replyBytes} bytes`));
          if (missing !== 0) return true;
          requests += pipeline;
          if (latenciesMs.length < samplesMax) latenciesMs.push(performance.now() - sentAtMs);
          next();
          return true;
        };
        const onread = { buffer: Buffer.allocUnsafeSlow(readBytes), callback: read };
        const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread }, next);
        socket.on('error', reject);
        socket.on('end', () => reject(new Error('the server ended a connection')));
        sockets.push(socket);
      };
      for (let index = 0; index < connections; index++) start();
    });
  } finally {
    for (const socket of sockets)
      socket
        .removeAllListeners('error')
        .on('error', () => undefined)
        .destroy();
  }
  const elapsedMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(processor);
  latenciesMs.sort((a, b) => a - b);
  return { requests, elapsedMs, p99Ms: quantile(latenciesMs, 0.99), processorUs: user + system };
}

function faultOf(error: unknown): SocketResult {
  return { requests: 0, elapsedMs: 0, p99Ms: 0, processorUs: 0, fault: String(error) };
}

process.on(
  'message',
  (load: SocketRun) =>
    void run(load)
      .catch(faultOf)
      .then((result) => process.send?.(result)),
);
process.on('disconnect', () => process.exit(0));
