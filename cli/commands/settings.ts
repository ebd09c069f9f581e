/** `kvcache config` and `kvcache version`. */
import { type Command, Option } from 'commander';
import { type ProcessRole, processRoles } from '../../settings/setting.ts';
import { loadSettings } from '../../settings/load.ts';
import { nestedSettings, settingRows } from '../../settings/present.ts';
import { addSettingFlags, typedFlags } from '../setting-flags.ts';
import { printJson, printTable, type Terminal } from '../terminal.ts';
import { readVersion } from '../version.ts';

export function addSettingCommands(program: Command, terminal: Terminal): void {
  addConfig(program, terminal);
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

function addConfig(program: Command, terminal: Terminal): void {
  const command = program
    .command('config')
    .summary('show effective settings and where each comes from')
    .description(
      'Shows the settings that a process would run with here, and where each comes from. Secrets are masked.',
    )
    .addOption(new Option('--role <role>', 'whose settings').choices(processRoles).default('shard'))
    .option('--given', 'only those that are not at their default')
    .option('--json', 'print JSON: settings (nested) and sources (by name)')
    .addHelpText(
      'after',
      `
Examples:
  kvcache config                                 a shard's settings here
  kvcache config --role router --json
  KVCACHE_DISK_SIZE=1GiB kvcache config --given  what differs from the defaults`,
    );
  addSettingFlags(command, ...processRoles);
  command.action((options: { role: ProcessRole; given?: boolean; json?: boolean }) => {
    const { config, ...flags } = typedFlags(command);
    const filePath = typeof config === 'string' ? config : undefined;
    const loaded = loadSettings({ role: options.role, flags, environment: process.env, filePath });
    for (const warning of loaded.warnings) terminal.warn(`kvcache: ${warning}`);
    const isDefault = (source: string): boolean => source === 'default' || source === 'derived';
    const rows = settingRows(loaded.settings, loaded.sources, options.role).filter(
      ({ source }) => !options.given || !isDefault(source),
    );
    if (options.json) {
      const sources = Object.fromEntries(rows.map(({ name, source }) => [name, source]));
      printJson(terminal, { role: options.role, settings: nestedSettings(loaded.settings, options.role), sources });
    } else {
      printTable(
        terminal,
        ['setting', 'value', 'source'],
        rows.map(({ name, value, source }) => [name, value, source]),
      );
    }
  });
}
