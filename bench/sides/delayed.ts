/** A port behind which another one is, half a millisecond further away in each direction (delay-proxy.ts). */
import { message, startModule } from '../harness/children.ts';
import type { Bench } from '../harness/scenario.ts';

export async function delayedPort(bench: Bench, port: number): Promise<number> {
  const child = startModule(bench.scope, 'sides/delay-proxy.ts', [String(port), '0.5']);
  return message<number>(child);
}
