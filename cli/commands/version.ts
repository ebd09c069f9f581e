/** `kvcache version`. */
import type { Command } from 'commander';
import { printJson, type Terminal } from '../terminal.ts';
import { readVersion } from '../../process/version.ts';

export function addVersion(program: Command, terminal: Terminal): void {
  program
    .command('version')
    .summary('print the versions of kvcache and Node')
    .description('Prints the version of kvcache and of the Node it runs on.')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => {
      const versions = { kvcache: readVersion(), node: process.versions.node };
      if (options.json) printJson(terminal, versions);
      else terminal.line(`kvcache ${versions.kvcache}, Node ${versions.node}`);
    });
}
