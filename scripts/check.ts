/**
 * `npm test`: format, lint, types, and every test, with one closing line `N passed, N failed`.
 *
 * A static check counts as one. All of them run even if one fails, so that a contributor sees everything at once.
 * Arguments go to vitest (`npm test -- shard/log`); with any, only the tests run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { brokenFiles, failureLines, type TestReport } from '../testing/report.ts';

interface Outcome {
  passed: number;
  failed: number;
  /** What failed, for the end. */
  failures?: readonly string[];
}

const root = resolve(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

function staticCheck(title: string, command: string, args: string[]): Outcome {
  process.stdout.write(`── ${title}\n`);
  const { status } = spawnSync(bin(command), args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.stdout.write(`   ${title} failed\n`);
  return status === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function runTests(filters: string[]): Outcome {
  process.stdout.write('── tests\n');
  const folder = mkdtempSync(join(tmpdir(), 'kvcache-check-'));
  const reportPath = join(folder, 'report.json');
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${reportPath}`,
        ...filters,
      ],
      { cwd: root, stdio: 'inherit' },
    );
    if (!existsSync(reportPath)) return { passed: 0, failed: 1 };
    const report = JSON.parse(readFileSync(reportPath, 'utf8')) as TestReport;
    const failed = report.numFailedTests + brokenFiles(report).length;
    // An error outside any test fails the run alone.
    return {
      passed: report.numPassedTests,
      failed: status === 0 || failed > 0 ? failed : 1,
      failures: failureLines(report, root),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const filters = process.argv.slice(2);
const outcomes =
  filters.length > 0
    ? [runTests(filters)]
    : [
        staticCheck('format', 'oxfmt', ['--check']),
        staticCheck('lint', 'oxlint', ['--type-aware', '--deny-warnings']),
        staticCheck('types', 'tsc', ['--noEmit']),
        staticCheck('types of the dashboard', 'tsc', ['--noEmit', '-p', 'dashboard']),
        runTests([]),
      ];
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
for (const line of outcomes.flatMap(({ failures }) => failures ?? [])) process.stdout.write(`${line}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
