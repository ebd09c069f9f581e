/**
 * `npm run fuzz [-- door…] [--frames N] [--seed N]`: random frames against every door of a real shard, which must serve
 * everybody else meanwhile, stay within its memory, and end as it should. A million frames a door unless told otherwise:
 * a night's work for a small machine. Every run prints its seed, and the same seed sends the same frames.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { ShardProcess } from '../acceptance/shard-process.ts';
import { printTable, processTerminal } from '../cli/terminal.ts';
import { KvcacheError, messageOf } from '../errors.ts';
import { exitCodes } from '../process/exit-codes.ts';
import { roundedBytes } from '../settings/units.ts';
import { attack, type AttackReport } from './attack.ts';
import { attackedDoors, placeWitness } from './doors.ts';

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
  const shard = await ShardProcess.start({ dataPath, settings: { 'memory.limit': '256MiB' } });
  try {
    const all = attackedDoors(shard);
    const unknown = wanted.find((name) => !all.some((door) => door.name === name));
    if (unknown !== undefined) {
      throw new KvcacheError(
        'CONFIG',
        `there is no door '${unknown}'; there are ${all.map(({ name }) => name).join(', ')}`,
      );
    }
    await placeWitness(shard);
    terminal.warn(`seed ${seed}, ${frames} frames a door`);
    const reports: [string, AttackReport][] = [];
    for (const door of all.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
      const bar = new SingleBar({
        format: `${door.name} {bar} {percentage} %  {eta_formatted} left`,
        noTTYOutput: false,
      });
      bar.start(frames, 0);
      const report = await attack(door, { seed, frames, onProgress: (sent) => bar.update(sent) });
      bar.stop();
      reports.push([door.name, report]);
    }
    printTable(
      terminal,
      ['door', 'frames', 'bytes', 'connections closed'],
      reports.map(([name, { frames, bytes, closed }]) => [name, `${frames}`, roundedBytes(bytes), `${closed}`]),
    );
    const { code, signal } = await shard.end('SIGTERM');
    if (code !== 0) throw new Error(`the shard ended with ${code ?? signal}`);
  } finally {
    await shard.dispose();
    rmSync(dataPath, { recursive: true, force: true });
  }
}

try {
  await main(optionsOf(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`fuzz: ${messageOf(error)}\n`);
  process.exitCode = error instanceof KvcacheError && error.code === 'CONFIG' ? exitCodes.usage : exitCodes.failed;
}
