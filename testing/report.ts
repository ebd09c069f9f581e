/**
 * What vitest's JSON report says of tests that failed, as lines that are told once more at the end: in a log of
 * thousands of lines the one that matters would else have to be looked for.
 */
import { relative } from 'node:path';

/** The part of the report that is read here. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly TestFileReport[];
}

export interface TestFileReport {
  readonly name: string;
  readonly status: string;
  readonly startTime: number;
  readonly endTime: number;
  /** Why the file as a whole failed, if it could not be loaded or its set-up failed. */
  readonly message?: string;
  readonly assertionResults: readonly {
    readonly title: string;
    readonly fullName?: string;
    readonly status: string;
    readonly duration?: number;
    readonly failureMessages?: readonly string[] | null;
  }[];
}

/** Lines of a failure's message that are told: what was expected, and where. */
const messageLinesMax = 12;

/** Files that failed while none of their tests did: they did not load, or their set-up or clean-up failed. */
export function brokenFiles(report: TestReport): readonly TestFileReport[] {
  return report.testResults.filter(
    ({ status, assertionResults }) =>
      assertionResults.length === 0 ||
      (status === 'failed' && assertionResults.every((assertion) => assertion.status !== 'failed')),
  );
}

/** `FAILED file > test: message` for every test or file that failed; `root` is taken off the files' names. */
export function failureLines(report: TestReport, root: string): string[] {
  const broken = brokenFiles(report).map(
    ({ name, message }) => `FAILED ${relative(root, name)}: ${shortened(message)}`,
  );
  const tests = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(
        ({ title, fullName, failureMessages }) =>
          `FAILED ${relative(root, name)} > ${fullName ?? title}: ${shortened(failureMessages?.join('\n'))}`,
      ),
  );
  return [...broken, ...tests];
}

function shortened(message = ''): string {
  if (message === '') return 'see the log above';
  return message.split('\n').slice(0, messageLinesMax).join('\n       ');
}
