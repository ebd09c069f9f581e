/** One scenario from start to end: prepare, rounds, rows; whatever it started is gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Fault, runRounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';
import { type Row, rowsOf } from './summary.ts';

/** How long one measurement of a rate takes. */
const measuredMs = { quick: 100, full: 2_000 };

export interface Skipped {
  readonly what: string;
  readonly remedy: string;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly summary: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly measuredMs: number;
  readonly seconds: number;
  readonly sides: readonly { readonly name: string; readonly about: string }[];
  readonly skipped: readonly Skipped[];
  readonly rows: readonly Row[];
  readonly faults: readonly Fault[];
  readonly notes: readonly string[];
}

export interface RunOptions {
  readonly quick: boolean;
  readonly rounds: number;
  /** Only cases whose title has this word, whatever its case. */
  readonly only: string | undefined;
  readonly tracePath: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, of: number) => void;
}

/** Rejects at once when aborted: what is being measured is ended under its measurement. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioResult> {
  const scope = new AsyncDisposableStack();
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => (ending ??= scope.disposeAsync());
  const onAbort = (): void => void end();
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await runIn(scope, scenario, options);
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    await end();
  }
}

async function runIn(scope: AsyncDisposableStack, scenario: Scenario, options: RunOptions): Promise<ScenarioResult> {
  const { quick, only, tracePath, signal, onProgress } = options;
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'kvcache-bench-'));
  scope.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const skipped: Skipped[] = [];
  const skip = (what: string, remedy: string): void => void skipped.push({ what, remedy });
  const duration = quick ? measuredMs.quick : measuredMs.full;
  const plan = await scenario.prepare({ quick, scope, folder, tracePath, skip });
  const rounds = Math.min(options.rounds, plan.roundsMax ?? Infinity);
  const cases = only === undefined ? plan.cases : plan.cases.filter(({ title }) => hasWord(title, only));
  const result = await runRounds({ ...plan, cases }, { rounds, measuredMs: duration, signal, onProgress });
  return {
    scenario: scenario.name,
    summary: scenario.summary,
    quick,
    rounds,
    measuredMs: duration,
    seconds: (performance.now() - began) / 1_000,
    sides: plan.sides.map(({ name, about }) => ({ name, about })),
    skipped,
    rows: rowsOf(result.cases),
    faults: result.faults,
    notes: plan.notes?.() ?? [],
  };
}

function hasWord(title: string, word: string): boolean {
  return title.toLowerCase().includes(word.toLowerCase());
}
