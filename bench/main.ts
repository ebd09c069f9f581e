/**
 * `npm run bench`: side by side with its peers, on this machine, in turns.
 *
 *   npm run bench -- --list
 *   npm run bench -- resp-small kv-grpc --rounds 9
 *   npm run bench -- --quick
 *
 * Tables and progress are for people, JSON and SVG plots in bench/results/ for whoever compares runs. A scenario that
 * fails does not keep the others from running. Exit codes: 0, 1 where something failed, 2 for wrong usage, 130 after
 * Ctrl-C; nothing is left running or lying about in any case.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { curvesOf } from './harness/curves.ts';
import { describeMachine, isMemoryAtHand, isQuiet, type Machine, machineLine } from './harness/machine.ts';
import { type BenchOptions, parseOptions, usage } from './harness/options.ts';
import { plotOf } from './harness/plot.ts';
import { runScenario, type ScenarioResult } from './harness/run-scenario.ts';
import type { Scenario } from './harness/scenario.ts';
import { onStopRequests } from '../process/serve.ts';
import { tableOf } from './harness/table.ts';
import { scenarios } from './scenarios/scenarios.ts';

const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

function printed(result: ScenarioResult): string {
  const { scenario, summary, sides, rows, skipped, faults, notes, rounds, measuredMs, seconds } = result;
  const names = sides.map(({ name }) => name);
  return [
    '',
    `${scenario}: ${summary}`,
    `medians of ${rounds} alternating rounds of ${measuredMs} ms, ± half the distance of the quartiles; ratios of the same round (least–most); ${seconds.toFixed(0)} s`,
    ...(rows.length > 0 ? [tableOf(names, rows)] : []),
    ...sides.map(({ name, about }) => `  ${name}: ${about}`),
    ...notes.map((note) => `  ${note}`),
    ...skipped.map(({ what, remedy }) => `  skipped: ${what}; ${remedy}`),
    ...faults.map(({ side, case: what, message }) => `  FAILED: ${side}, ${what}: ${message}`),
    '',
  ].join('\n');
}

async function write(folder: string, machine: Machine, result: ScenarioResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { scenario, summary, sides, rows } = result;
  const names = sides.map(({ name }) => name);
  await writeFile(
    join(folder, `${scenario}.json`),
    `${JSON.stringify({ machine, at: new Date().toISOString(), ...result }, undefined, 2)}\n`,
  );
  if (rows.length === 0) return;
  const draw = rows.some(({ axis }) => axis !== undefined) ? curvesOf : plotOf;
  await writeFile(join(folder, `${scenario}.svg`), draw(`${scenario}: ${summary}`, names, rows));
}

async function run(scenario: Scenario, options: BenchOptions, signal: AbortSignal): Promise<ScenarioResult> {
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: `${scenario.name} {bar} {value}/{total} {eta_formatted}`, clearOnComplete: true })
    : undefined;
  bar?.start(1, 0);
  try {
    return await runScenario(scenario, {
      ...options,
      signal,
      onProgress: (done, of) => {
        bar?.setTotal(of);
        bar?.update(done);
      },
    });
  } finally {
    bar?.stop();
  }
}

async function runAll(options: BenchOptions, signal: AbortSignal): Promise<number> {
  const machine = describeMachine();
  const say = (text: string): void => void (options.json ? process.stderr : process.stdout).write(text);
  say(`${machineLine(machine)}\n`);
  if (!isQuiet(machine)) say('This machine is busy with something else: trust no figure of this run.\n');
  if (!isMemoryAtHand(machine)) {
    const perPage = `${machine.pageTouchUs.toFixed(0)} µs a page`;
    say(`New memory costs ${perPage}, since this machine's host has to find it first: large writes are slow for it.\n`);
  }
  const results: ScenarioResult[] = [];
  const failures: string[] = [];
  for (const name of options.scenarios) {
    const scenario = scenarios.find((candidate) => candidate.name === name)!;
    try {
      const result = await run(scenario, options, signal);
      results.push(result);
      await write(options.resultsPath ?? join(import.meta.dirname, 'results'), machine, result);
      if (!options.json) say(printed(result));
      failures.push(...result.faults.map(({ side, message }) => `${name}, ${side}: ${message}`));
    } catch (error) {
      if (signal.aborted) return exitCodes.interrupted;
      failures.push(`${name}: ${(error as Error).message}`);
      say(`\n${name} FAILED: ${(error as Error).stack}\n`);
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ machine, results }, undefined, 2)}\n`);
  for (const failure of failures) say(`FAILED ${failure}\n`);
  return failures.length === 0 ? exitCodes.done : exitCodes.failed;
}

async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = parseOptions(
      args,
      scenarios.map(({ name }) => name),
    );
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n\n${usage}`);
    return exitCodes.usage;
  }
  if (options.help) {
    process.stdout.write(usage);
    return exitCodes.done;
  }
  if (options.list) {
    const width = Math.max(...scenarios.map(({ name }) => name.length));
    for (const { name, summary } of scenarios) process.stdout.write(`${name.padEnd(width)}  ${summary}\n`);
    return exitCodes.done;
  }
  const interrupt = new AbortController();
  onStopRequests(() => {
    // Whoever asks again does not want to wait for an orderly end.
    if (interrupt.signal.aborted) process.exit(exitCodes.interrupted);
    interrupt.abort();
  });
  return runAll(options, interrupt.signal);
}

process.exitCode = await main(process.argv.slice(2));
