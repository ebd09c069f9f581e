/** What `npm run bench -- …` takes. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly scenarios: readonly string[];
  readonly quick: boolean;
  readonly rounds: number;
  readonly json: boolean;
  readonly list: boolean;
  readonly help: boolean;
  /** Only cases whose title has this word. */
  readonly only: string | undefined;
  readonly tracePath: string | undefined;
  readonly resultsPath: string | undefined;
}

/** Fewer are no comparison: one bad round would be the result. */
const roundsMin = 1;
const roundsMax = 1_000;
const roundsDefault = 5;
const roundsQuick = 3;

export const usage = `Usage: npm run bench [-- SCENARIO… [--quick] [--rounds N] [--only WORD] [--json] [--list] [--trace FILE] [--results FOLDER]]

Starts what a scenario compares on this machine, measures the sides in turns, and prints medians and ratios.
Without a scenario, all of them run.

  --quick           short measurements and small data: all scenarios within two minutes on two idle cores
  --rounds N        rounds to measure, ${roundsDefault} by default, ${roundsQuick} with --quick; with fewer, ratios say little
  --only WORD       only cases whose title has this word: set, get, concurrent, mixed, 16 MiB, …
  --json            prints the results as JSON instead of tables
  --list            names the scenarios
  --trace FILE      prompts' block ids for hit-ratio: JSON lines with "hash_ids"
  --results FOLDER  where JSON and plots go, bench/results by default
`;

/** Throws an Error that says what is wrong. */
export function parseOptions(args: readonly string[], known: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false, short: 'h' },
      only: { type: 'string' },
      trace: { type: 'string' },
      results: { type: 'string' },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? roundsQuick : roundsDefault));
  if (!Number.isInteger(rounds) || rounds < roundsMin || rounds > roundsMax) {
    throw new Error(`--rounds takes a whole number from ${roundsMin} to ${roundsMax}, not ${values.rounds}`);
  }
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`there is no scenario ${unknown.join(', ')}; there are ${known.join(', ')}`);
  }
  const { quick, json, list, help, only, trace, results } = values;
  const scenarios = positionals.length === 0 ? known : positionals;
  return { scenarios, quick, rounds, json, list, help, only, tracePath: trace, resultsPath: results };
}
