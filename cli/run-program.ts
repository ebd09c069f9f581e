/** How a program of commands runs and ends: one sentence on standard error for a fault, and an exit code that says which. */
import { type Command, CommanderError } from 'commander';
import { KvcacheError, messageOf } from '../errors.ts';
import { exitCodes } from '../process/exit-codes.ts';
import type { Terminal } from './terminal.ts';

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (!(error instanceof KvcacheError)) return exitCodes.failed;
  if (error.code === 'CONFIG') return exitCodes.usage;
  if (error.code === 'LOCKED') return exitCodes.locked;
  return error.code === 'UNAVAILABLE' ? exitCodes.unreachable : exitCodes.failed;
}

function report(error: unknown, terminal: Terminal): void {
  // Commander has printed its own by now.
  if (error instanceof CommanderError) return;
  const code = error instanceof KvcacheError ? error.code : 'ERR';
  if (process.argv.includes('--json')) {
    terminal.warn(JSON.stringify({ error: { code, message: messageOf(error) } }));
    return;
  }
  for (const line of messageOf(error).split('\n')) terminal.warn(`kvcache: ${line}`);
}

/** Runs the command that was typed, and sets the exit code. */
export async function runProgram(program: Command, terminal: Terminal): Promise<void> {
  // A reader that has seen enough, such as `head`, is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed);
  });
  try {
    await program.parseAsync();
  } catch (error) {
    report(error, terminal);
    process.exitCode = exitCodeOf(error);
  }
}
