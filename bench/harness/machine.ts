/** What the figures were made on: without it a reader cannot tell what they mean. */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { resolve } from 'node:path';

export interface Machine {
  readonly node: string;
  readonly v8: string;
  readonly system: string;
  readonly processor: string;
  readonly processors: number;
  readonly memoryBytes: number;
  readonly commit: string;
  /** Processes that wanted to run before the bench began, as a mean of a minute. */
  readonly loadBefore: number;
}

/** Above this share of the processors something else runs beside the bench. */
const quietShare = 0.25;

export function describeMachine(): Machine {
  const root = resolve(import.meta.dirname, '../..');
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' });
  return {
    node: process.version,
    v8: process.versions.v8,
    system: `${process.platform} ${release()}`,
    processor: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    memoryBytes: totalmem(),
    commit: stdout?.trim() || 'unknown',
    loadBefore: loadavg()[0] ?? 0,
  };
}

export function isQuiet({ loadBefore, processors }: Machine): boolean {
  return loadBefore <= processors * quietShare;
}

export function machineLine(machine: Machine): string {
  const { node, system, processors, processor, commit, loadBefore, memoryBytes } = machine;
  const memory = `${(memoryBytes / 1024 ** 3).toFixed(0)} GiB`;
  return `kvcache ${commit}, Node ${node}, ${system}, ${processors} × ${processor}, ${memory}, load ${loadBefore.toFixed(2)}`;
}
