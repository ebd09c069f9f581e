/**
 * `npm run fuzz [-- door…] [--frames N] [--seed N]`: random frames against every door of a real shard and of a
 * router with three (`router-resp` and so on), which must serve everybody else meanwhile, stay within their memory, and end
 * as they should. A million frames a door unless told otherwise:
 * a night's work for a small machine. Every run prints its seed, and the same seed sends the same frames.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { printTable, processTerminal } from '../cli/terminal.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { exitCodes } from '../process/exit-codes.ts';
import { roundedBytes } from '../settings/units.ts';
import { attack, type AttackedDoor, type AttackReport } from './attack.ts';
import { attackedDoors, placeWitness } from './doors.ts';
import { type AttackedProcess, requireBounded, startRouter, startShard, type TakenMemory } from './processes.ts';

const framesDefault = 1_000_000;

interface Options {
  readonly doors: readonly string[];
  readonly frames: number;
  readonly seed: number;
}

function optionsOf(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { frames: { type: 'string' }, seed: { type: 'string' } },
  });
  const frames = wholeNumber('--frames', values.frames ?? String(framesDefault));
  const seed = wholeNumber('--seed', values.seed ?? String(Date.now() % 1_000_000));
  return { doors: positionals, frames, seed };
}

function wholeNumber(name: string, written: string): number {
  const value = Number(written);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new KvcacheError('CONFIG', `${name} takes a whole number above 0, not '${written}'`);
}

async function main({ doors: wanted, frames, seed }: Options): Promise<void> {
  const terminal = processTerminal();
  const dataPath = mkdtempSync(join(tmpdir(), 'kvcache-fuzz-'));
  const targets: AttackedProcess[] = [];
  try {
    targets.push(await startShard(dataPath), await startRouter());
    const all = targets.flatMap((target) => attackedDoors(target, target.prefix));
    const unknown = wanted.find((name) => !all.some((door) => door.name === name));
    if (unknown !== undefined) {
      throw new KvcacheError(
        'CONFIG',
        `there is no door '${unknown}'; there are ${all.map(({ name }) => name).join(', ')}`,
      );
    }
    for (const target of targets) await placeWitness(target);
    terminal.warn(`seed ${seed}, ${frames} frames a door`);
    const reports: [string, AttackReport][] = [];
    for (const door of all.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
      reports.push([door.name, await attackWithBar(door, seed, frames)]);
    }
    printTable(
      terminal,
      ['door', 'frames', 'bytes', 'connections closed'],
      reports.map(([name, report]) => [name, `${report.frames}`, roundedBytes(report.bytes), `${report.closed}`]),
    );
    const taken: TakenMemory[] = [];
    for (const target of targets) taken.push(...(await target.end()));
    printTable(
      terminal,
      ['process', 'memory at most', 'it may take'],
      taken.map(({ name, peakBytes, bytesMax }) => [name, roundedBytes(peakBytes), roundedBytes(bytesMax)]),
    );
    requireBounded(taken);
  } finally {
    for (const target of targets) await target.dispose();
    rmSync(dataPath, { recursive: true, force: true });
  }
}

async function attackWithBar(door: AttackedDoor, seed: number, frames: number): Promise<AttackReport> {
  const format = `${door.name} {bar} {percentage} %  {eta_formatted} left`;
  const bar = new SingleBar({ format, noTTYOutput: false });
  bar.start(frames, 0);
  try {
    return await attack(door, { seed, frames, onProgress: (sent) => bar.update(sent) });
  } finally {
    bar.stop();
  }
}

try {
  await main(optionsOf(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`fuzz: ${messageOf(error)}\n`);
  process.exitCode = error instanceof KvcacheError && error.code === 'CONFIG' ? exitCodes.usage : exitCodes.failed;
}
