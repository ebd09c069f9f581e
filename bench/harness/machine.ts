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
  /**
   * The processor time that it takes to write to a page of new memory for the first time. A virtual machine whose host takes back what is free
   * (free page reporting) asks for it anew each time: every file and every value that is new then costs many times as much.
   */
  readonly pageTouchUs: number;
}

/** Above this share of the processors something else runs beside the bench. */
const quietShare = 0.25;
/** Above this the host has to find the memory first: the system alone takes some 1 µs. */
const pageTouchUsMax = 3;
const touchedBytes = 128 * 1024 * 1024;
const pageBytes = 4096;

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
    pageTouchUs: touchUs(),
  };
}

function touchUs(): number {
  // As much comes from the system itself, page by page.
  const memory = Buffer.allocUnsafeSlow(touchedBytes);
  const before = process.cpuUsage();
  for (let at = 0; at < touchedBytes; at += pageBytes) memory[at] = 1;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (touchedBytes / pageBytes);
}

/** Whether memory that is free costs no more than the system's own work. */
export function isMemoryAtHand({ pageTouchUs }: Machine): boolean {
  return pageTouchUs <= pageTouchUsMax;
}

export function isQuiet({ loadBefore, processors }: Machine): boolean {
  return loadBefore <= processors * quietShare;
}

export function machineLine(machine: Machine): string {
  const { node, system, processors, processor, commit, loadBefore, memoryBytes } = machine;
  const memory = `${(memoryBytes / 1024 ** 3).toFixed(0)} GiB`;
  return `kvcache ${commit}, Node ${node}, ${system}, ${processors} × ${processor}, ${memory}, load ${loadBefore.toFixed(2)}`;
}
