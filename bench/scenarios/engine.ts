/** The engine in process, as a library has it: no sockets, no log. Each side is a process of its own. */
import { message, startModule } from '../harness/children.ts';
import { type Bench, type Case, rate, type Scenario, type Side } from '../harness/scenario.ts';
import type { EngineLoad, EngineResult } from '../sides/engine-process.ts';

interface EngineCase extends Case {
  readonly kind: EngineLoad['kind'];
  /** Absent: all of them. */
  readonly keys?: number;
}

const keys = { quick: 50_000, full: 1_000_000 };
/** What the processor's caches hold, among all the others. */
const nearKeys = 10_000;
const residentPerKey = { name: 'resident a key', unit: 'B', better: 'less' } as const;
const comparisons = [{ side: 'engine', against: 'lru-cache' }];

const cases: readonly EngineCase[] = [
  { title: 'set 100 B', kind: 'set', figures: [rate, residentPerKey], comparisons },
  { title: 'get 100 B', kind: 'get', figures: [rate], comparisons },
  { title: 'concurrent: 64 callers, 1 set to 4 gets', kind: 'concurrent', figures: [rate], comparisons },
  { title: 'mixed: 1 set to 4 gets', kind: 'mixed', figures: [rate], comparisons },
  { title: 'set 100 B, 10,000 of the keys', kind: 'set', keys: nearKeys, figures: [rate], comparisons },
  { title: 'get 100 B, 10,000 of the keys', kind: 'get', keys: nearKeys, figures: [rate], comparisons },
];

async function engineSide(bench: Bench, name: 'engine' | 'lru-cache', about: string): Promise<Side<EngineCase>> {
  const child = startModule(bench.scope, 'sides/engine-process.ts', [name], ['--expose-gc']);
  await message(child);
  let filled: number | undefined;
  return {
    name,
    about,
    async measure({ kind, keys: asked }) {
      const commands = bench.quick ? keys.quick : keys.full;
      child.process.send({ kind, commands, keys: asked ?? commands } satisfies EngineLoad);
      const { perSecond, residentBytesPerKey } = await message<EngineResult>(child);
      // Memory is taken once, by the load that fills.
      filled ??= residentBytesPerKey;
      return { [rate.name]: perSecond, ...(filled === undefined ? {} : { [residentPerKey.name]: filled }) };
    },
  };
}

export const engine: Scenario = {
  name: 'engine',
  summary: 'the engine in process: set, get, concurrent and mixed, 100 B, against lru-cache',
  async prepare(bench) {
    return {
      cases,
      sides: [
        await engineSide(bench, 'engine', 'Engine over KeyIndex and HotTier, no journal'),
        await engineSide(bench, 'lru-cache', 'lru-cache over string keys and copied buffers'),
      ],
      notes: () => [
        `${bench.quick ? keys.quick : keys.full} keys of 16 B; rates are of the thread's processor time`,
        'published elsewhere for engines in process: Go KVCache 317 K set/s, 1.63 M get/s; memory resident a key is of the first filling',
      ],
    };
  },
};
