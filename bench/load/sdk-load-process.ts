/** Commands through the SDK, as an application makes them: `inFlight` at any time, half sets and half gets of 100 B. */
import { KvcacheClient } from '../../client/key-client.ts';

export interface SdkRun {
  readonly server: string;
  readonly inFlight: number;
  readonly measuredMs: number;
}

export interface SdkResult {
  readonly perSecond: number;
}

const value = Buffer.alloc(100, 'v');
const keys = Array.from({ length: 10_000 }, (_, index) => Buffer.from(`sdk:${index}`));

async function run({ server, inFlight, measuredMs }: SdkRun): Promise<SdkResult> {
  using client = new KvcacheClient({ server });
  await client.set(keys[0]!, value);
  const beganMs = performance.now();
  let commands = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < beganMs + measuredMs) {
      const key = keys[commands++ % keys.length]!;
      await (commands % 2 === 0 ? client.set(key, value) : client.get(key));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { perSecond: (commands * 1_000) / (performance.now() - beganMs) };
}

process.on('message', (load: SdkRun) => void run(load).then((result) => process.send?.(result)));
process.on('disconnect', () => process.exit(0));
