/** `kvcache operator`: the process that keeps KVCaches in Kubernetes as they say. */
import type { Command } from 'commander';
import { createLogger } from '../../process/log.ts';
import { serve } from '../../process/serve.ts';
import { LiveSettings } from '../../settings/live.ts';
import { addSettingFlags, settingsOfCommand } from '../setting-flags.ts';
import type { Terminal } from '../terminal.ts';
import { readVersion } from '../../process/version.ts';

export function addOperator(program: Command, terminal: Terminal): void {
  const command = program
    .command('operator')
    .summary('run the Kubernetes operator')
    .description(
      'Runs the operator: it makes shards and routers of the KVCaches of a Kubernetes cluster, and keeps them so.',
    )
    .addHelpText(
      'after',
      `
Examples:
  kvcache operator --operator-image registry.example/kvcache:0.1.0
  kvcache operator --operator-watch-namespaces team-a,team-b --operator-image …

Exit codes: 0 ended in order, 2 a setting is wrong, 70 a fault of the program, 71 another replica leads now.`,
    );
  addSettingFlags(command, 'operator').action(async () => {
    const live = new LiveSettings(settingsOfCommand(command, 'operator', terminal), 'operator');
    const logger = createLogger(live, { role: 'operator' });
    const { startOperator } = await import('../../operator/main.ts');
    const start = () => startOperator(live, logger, { version: readVersion() });
    await serve(start, { logger, graceMs: live.current['shutdown.grace'] });
  });
}
