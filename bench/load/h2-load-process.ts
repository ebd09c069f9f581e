/** The process behind h2-load.ts: takes a run by message, answers with its result. */
import { quantile } from '../harness/statistics.ts';
import { H2Connection } from './h2-connection.ts';
import type { H2Result, H2Run } from './h2-load.ts';

/** Calls that were numbered, of all runs. */
let numbered = 0;

/** Writes the next number into the low 28 bits of the varint at this place. */
function number(body: Buffer, at: number): void {
  numbered += 1;
  for (let group = 0; group < 4; group++) body[at + group] = 0x80 | ((numbered >>> (7 * group)) & 0x7f);
}

/** Latencies beyond these are not kept: quantiles of a million are good enough. */
const samplesMax = 1_000_000;

async function run({ port, path, contentType, bodies, numberedAt, inFlight, ...rest }: H2Run): Promise<H2Result> {
  const opened = Array.from({ length: rest.connections }, () => H2Connection.open(port, path, contentType));
  const connections = await Promise.all(opened);
  const latenciesMs: number[] = [];
  const processor = process.cpuUsage();
  const beganMs = performance.now();
  const endMs = beganMs + rest.measuredMs;
  const callsMin = rest.callsMin ?? 0;
  let calls = 0;
  let failed = 0;
  let bytes = 0;
  await new Promise<void>((resolve) => {
    let open = inFlight;
    const next = (connection: H2Connection): void => {
      const startMs = performance.now();
      // A server that is gone fails calls at once: it must not be asked for ever.
      if ((startMs >= endMs && calls >= callsMin) || failed > inFlight) {
        if (--open === 0) resolve();
        return;
      }
      const body = bodies[calls++ % bodies.length]!;
      if (numberedAt !== undefined) number(body, numberedAt);
      connection.call(body, (how) => {
        if (latenciesMs.length < samplesMax) latenciesMs.push(performance.now() - startMs);
        bytes += how.bytes;
        if (!how.ok) failed++;
        next(connection);
      });
    };
    for (let index = 0; index < inFlight; index++) next(connections[index % connections.length]!);
  });
  const elapsedMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(processor);
  for (const connection of connections) connection.close();
  latenciesMs.sort((a, b) => a - b);
  return {
    calls,
    failed,
    bytes,
    elapsedMs,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    processorUs: user + system,
  };
}

process.on('message', (load: H2Run) => void run(load).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
