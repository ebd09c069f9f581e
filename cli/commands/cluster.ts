/** The commands that ask about a cluster as a whole: status, lookup, playground. */
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addPlaygroundCommand } from '../playground.ts';
import { addLookup } from './lookup.ts';
import { addStatus } from './status.ts';

export function addClusterCommands(program: Command, terminal: Terminal): void {
  addStatus(program, terminal);
  addLookup(program, terminal);
  addPlaygroundCommand(program, terminal);
}
