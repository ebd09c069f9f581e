/**
 * `npm run e2e`: every scenario on a real cluster, with one closing line `N passed, N failed`.
 *
 * It makes a kind cluster and builds the images at the same time, loads them, installs the chart, and hands over to
 * vitest; at the end the cluster goes, unless it is to be kept or was there before. What it needs and has not, it says
 * before anything is begun.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { KvcacheError, messageOf } from '../errors.ts';
import { helm, installChart } from './harness/chart.ts';
import { type E2eEnvironment, environmentVariable, operatorNamespace, releaseName } from './harness/environment.ts';
import { buildImages, type Images, rootFolder } from './harness/images.ts';
import { createKindCluster, deleteKindCluster, kindClusters, loadImages } from './harness/kind-cluster.ts';
import { Kube } from './harness/kube.ts';
import { requireTools } from './harness/preflight.ts';
import { brokenFiles, failureLines, type TestReport } from '../testing/report.ts';
import { type E2eOptions, optionsOf, usage } from './options.ts';

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const exitFailed = 1;
const exitUsage = 2;

/** Lines for people; standard output is for the report. */
function say(line: string): void {
  process.stderr.write(`e2e: ${line}\n`);
}

async function timed<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const start = performance.now();
  const result = await work();
  say(`${what} (${Math.round((performance.now() - start) / 1_000)} s)`);
  return result;
}

/** The kind cluster that is used; undefined for a context of another kind. */
function kindClusterOf({ context, cluster }: E2eOptions): string | undefined {
  if (context === undefined) return cluster;
  return context.startsWith('kind-') ? context.slice('kind-'.length) : undefined;
}

async function main(options: E2eOptions): Promise<number> {
  const isBuilt = [options.image, options.toolsImage, options.azuriteImage].includes(undefined);
  const kindCluster = kindClusterOf(options);
  await requireTools({ builds: isBuilt, kind: kindCluster !== undefined });
  const isThere = kindCluster === undefined || (await kindClusters()).includes(kindCluster);
  const isOurs = kindCluster !== undefined && !isThere;
  const goes = isOurs && !options.keep;
  const end = async (): Promise<void> => {
    if (goes) await timed(`cluster ${kindCluster} is gone`, () => deleteKindCluster(kindCluster));
    else if (kindCluster !== undefined)
      say(`cluster ${kindCluster} is left running: kind delete cluster --name ${kindCluster}`);
  };
  const interrupted = (): void => {
    void end().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const [images] = await Promise.all([
      timed('images are built', () => imagesOf(options)),
      isOurs
        ? timed(`cluster ${kindCluster} is up`, () => createKindCluster(kindCluster, options.nodeImage))
        : undefined,
    ]);
    if (kindCluster !== undefined) {
      await timed('images are loaded', () => loadImages(kindCluster, Object.values(images)));
    }
    return await runScenarios(options, kindCluster, images);
  } finally {
    await end();
  }
}

async function imagesOf({ image, toolsImage, azuriteImage }: E2eOptions): Promise<Images> {
  if (image !== undefined && toolsImage !== undefined && azuriteImage !== undefined) {
    return { product: image, tools: toolsImage, azurite: azuriteImage };
  }
  const built = await buildImages();
  return { product: image ?? built.product, tools: toolsImage ?? built.tools, azurite: azuriteImage ?? built.azurite };
}

async function runScenarios(options: E2eOptions, kindCluster: string | undefined, images: Images): Promise<number> {
  const context = options.context ?? `kind-${options.cluster}`;
  const kube = await Kube.of(context);
  await timed('the chart is installed', () => installChart(kube, images));
  const stamp = new Date().toISOString().replaceAll(/[:.]/gu, '-');
  const resultsFolder = join(rootFolder, 'e2e', 'results', stamp);
  const environment: E2eEnvironment = { context, ...(kindCluster && { kindCluster }), images, resultsFolder };
  const report = await vitest(options, environment);
  if (kindCluster === undefined) await helm(kube, ['uninstall', releaseName, '--namespace', operatorNamespace]);
  return conclude(options, report, resultsFolder);
}

/** Undefined where vitest did not come to a report. */
async function vitest(options: E2eOptions, environment: E2eEnvironment): Promise<TestReport | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'kvcache-e2e-'));
  const reportPath = join(folder, 'report.json');
  try {
    const args = [
      join(rootFolder, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      join(rootFolder, 'e2e/vitest.config.ts'),
      '--root',
      rootFolder,
      '--reporter=verbose',
      '--reporter=json',
      `--outputFile.json=${reportPath}`,
      ...options.scenarios,
      ...options.without.flatMap((name) => ['--exclude', `e2e/scenarios/*/${name}.test.ts`]),
    ];
    const env = { ...process.env, [environmentVariable]: JSON.stringify(environment) };
    const child = spawn(process.execPath, args, { cwd: rootFolder, env, stdio: ['ignore', 2, 2] });
    await once(child, 'exit');
    return JSON.parse(await readFile(reportPath, 'utf8')) as TestReport;
  } catch (error) {
    say(`vitest gave no report: ${messageOf(error)}`);
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function conclude(options: E2eOptions, report: TestReport | undefined, resultsFolder: string): number {
  const totals = totalsOf(report);
  for (const { name, startTime, endTime } of report?.testResults ?? []) {
    say(`${Math.round((endTime - startTime) / 1_000)} s  ${relative(join(rootFolder, 'e2e/scenarios'), name)}`);
  }
  if (report !== undefined) for (const line of failureLines(report, rootFolder)) say(line);
  if (totals.failed > 0) say(`logs, events and objects of what failed are in ${resultsFolder}`);
  if (options.json) process.stdout.write(`${JSON.stringify(summary(totals, report), null, 2)}\n`);
  else process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
  return totals.failed === 0 && totals.passed > 0 ? 0 : exitFailed;
}

/** A step that was skipped because of the one before counts as failed neither nor passed. */
function totalsOf(report: TestReport | undefined): Totals {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = report;
  return { passed, failed: failed + brokenFiles(report).length, skipped };
}

function summary(totals: Totals, report: TestReport | undefined) {
  const tests = (report?.testResults ?? []).flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ title, status, duration }) => ({
      scenario: relative(join(rootFolder, 'e2e/scenarios'), name).replace(/\.test\.ts$/u, ''),
      title,
      status,
      durationMs: Math.round(duration ?? 0),
    })),
  );
  return { ...totals, tests };
}

try {
  const options = optionsOf(process.argv.slice(2), process.env);
  if (options === 'help') process.stdout.write(`${usage}\n`);
  else process.exitCode = await main(options);
} catch (error) {
  for (const line of messageOf(error).split('\n')) say(line);
  process.exitCode = error instanceof KvcacheError && error.code === 'CONFIG' ? exitUsage : exitFailed;
}
