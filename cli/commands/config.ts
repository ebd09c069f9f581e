/**
 * `kvcache config`: the settings that a process started here would have, or those that a cluster runs with.
 *
 *   a cluster is named, or --running        what runs there (GetConfig)
 *   else, or --role or --given is typed     what would be in force here, and where each value comes from
 *   config set NAME VALUE …                 changes what may change at run time, on all shards (UpdateConfig)
 */
import { type Command, Option } from 'commander';
import { ConfigClient } from '../../client/config-client.ts';
import { KvcacheError } from '../../errors.ts';
import { changesOf, type SettingChange, withoutEffect } from '../../settings/live.ts';
import { loadSettings, type LoadedSettings, settingNamed } from '../../settings/load.ts';
import { nearest } from '../../settings/nearest.ts';
import { nestedSettings, settingRows } from '../../settings/present.ts';
import { settingNames, settingOf } from '../../settings/schema.ts';
import { type ProcessRole, processRoles } from '../../settings/setting.ts';
import { addConnectionFlags, commandRetry, connectionOf, reaching } from '../connection.ts';
import { addSettingFlags, typedFlags } from '../setting-flags.ts';
import { printJson, printTable, type Terminal } from '../terminal.ts';

interface ConfigFlags {
  readonly role: ProcessRole;
  readonly given?: boolean;
  readonly running?: boolean;
  readonly json?: boolean;
}

export function addConfig(program: Command, terminal: Terminal): void {
  const command = program
    .command('config')
    .summary('show settings, here or of a cluster, and change a cluster’s')
    .description(
      'Shows the settings that a process would run with here, and where each comes from; with a cluster named by ' +
        '--server, --port-base or KVSTORE_GRPC_SERVER, or with --running, those that the cluster runs with. ' +
        'Secrets are masked.',
    )
    .enablePositionalOptions()
    .addOption(
      new Option('--running', 'ask the cluster, also the one at the standard port').conflicts(['role', 'given']),
    )
    .addOption(new Option('--role <role>', 'whose settings, here').choices(processRoles).default('shard'))
    .option('--given', 'only those that are not at their default, here')
    .option('--json', 'print JSON: settings (nested) and, here, sources (by name)')
    .addHelpText(
      'after',
      `
Examples:
  kvcache config                                 a shard's settings here
  kvcache config --role router --json
  KVCACHE_DISK_SIZE=1GiB kvcache config --given  what differs from the defaults
  kvcache config --running                       what the cluster at the standard port runs with
  kvcache config --server cache:50051 --json     what that cluster runs with
  kvcache config set log_level debug eviction.batch_size 500`,
    );
  addSettingFlags(command, ...processRoles);
  command.action(async (options: ConfigFlags) => {
    const asClient = loadedAs('client', [command]);
    const isAboutHere = command.getOptionValueSource('role') === 'cli' || options.given === true;
    if (options.running || (!isAboutHere && isClusterNamed(asClient))) {
      await showRunning(asClient, options.json ?? false, terminal);
    } else {
      showHere(loadedAs(options.role, [command]), options, terminal);
    }
  });
  addSet(command, terminal);
}

function addSet(config: Command, terminal: Terminal): void {
  const command = config
    .command('set')
    .summary('change settings of a running cluster')
    .description(
      'Changes settings that may change at run time, on the router and all shards, for good: they outlast restarts. ' +
        'All are checked before any is changed. docs/settings.md says of each whether it may change.',
    )
    .argument('<pair...>', 'name value [name value …]')
    .addHelpText(
      'after',
      `
Examples:
  kvcache config set log_level debug
  kvcache config set eviction.batch_size 500 blob.full_wait 2s --server cache:50051 --json`,
    );
  addConnectionFlags(command).action(async (words: string[], options: { json?: boolean }) => {
    const wanted = wantedOf(words);
    const connection = connectionOf(loadedAs('client', [config, command]));
    using client = new ConfigClient({ ...connection, retry: commandRetry });
    const after = await reaching(connection.server, async () => {
      await client.update(wanted);
      return client.read();
    });
    const changed = changesOf(JSON.stringify(after)).filter(({ name }) => Object.hasOwn(wanted, name));
    if (options.json || config.opts<ConfigFlags>().json) {
      const settings = Object.fromEntries(changed.map(({ name, raw }) => [name, raw]));
      printJson(terminal, { server: connection.server, changed: settings });
    } else {
      printTable(
        terminal,
        ['setting', 'value'],
        changed.map((change) => [change.name, shownOf(change)]),
      );
    }
  });
}

/** The settings by what was typed at any of the commands, the last counting most. */
function loadedAs(role: ProcessRole, commands: readonly Command[]): LoadedSettings {
  const typed: Record<string, unknown> = Object.assign({}, ...commands.map(typedFlags));
  const { config, ...flags } = typed;
  const filePath = typeof config === 'string' ? config : undefined;
  return loadSettings({ role, flags, environment: process.env, filePath });
}

function isClusterNamed({ sources, settings }: LoadedSettings): boolean {
  return settings['client.server'] !== undefined || sources.get('dev.port_base')?.kind === 'flag';
}

function showHere(loaded: LoadedSettings, { role, given, json }: ConfigFlags, terminal: Terminal): void {
  for (const warning of loaded.warnings) terminal.warn(`kvcache: ${warning}`);
  const isDefault = (source: string): boolean => source === 'default' || source === 'derived';
  const rows = settingRows(loaded.settings, loaded.sources, role).filter(({ source }) => !given || !isDefault(source));
  if (json) {
    const sources = Object.fromEntries(rows.map(({ name, source }) => [name, source]));
    printJson(terminal, { role, settings: nestedSettings(loaded.settings, role), sources });
  } else {
    printTable(
      terminal,
      ['setting', 'value', 'source'],
      rows.map(({ name, value, source }) => [name, value, source]),
    );
  }
}

async function showRunning(loaded: LoadedSettings, isJson: boolean, terminal: Terminal): Promise<void> {
  for (const warning of loaded.warnings) terminal.warn(`kvcache: ${warning}`);
  const connection = connectionOf(loaded);
  using client = new ConfigClient({ ...connection, retry: commandRetry });
  const settings = await reaching(connection.server, () => client.read());
  if (isJson) {
    printJson(terminal, { server: connection.server, settings });
    return;
  }
  const byName = new Map(changesOf(JSON.stringify(settings)).map((change) => [change.name, change]));
  const rows = settingNames.flatMap((name) => {
    const running = byName.get(name);
    const { ignored, changeable } = settingOf(name);
    return running === undefined || ignored ? [] : [[name, shownOf(running), changeable ? 'yes' : 'no']];
  });
  printTable(terminal, ['setting', 'value', 'changes while running'], rows);
}

/** The form that people type; what is masked stays masked. */
function shownOf({ name, raw }: SettingChange): string {
  const { type, secret } = settingOf(name);
  return secret ? String(raw) : type.format(type.schema.parse(raw));
}

/** What is to be changed, by the settings' own names. Values are left to the servers, which know what is in force. */
function wantedOf(words: readonly string[]): Record<string, string> {
  if (words.length % 2 !== 0) {
    throw new KvcacheError('CONFIG', 'give names and values in turn, such as log_level debug eviction.batch_size 500');
  }
  const wanted: Record<string, string> = {};
  const faults: string[] = [];
  for (let index = 0; index < words.length; index += 2) {
    const written = words[index]!;
    const name = settingNamed(written);
    if (name === undefined) {
      const meant = nearest(written, settingNames);
      faults.push(`${written} is no setting; ${meant ? `did you mean ${meant}?` : 'docs/settings.md lists them'}`);
    } else if (settingOf(name).ignored) {
      faults.push(withoutEffect(name));
    } else if (Object.hasOwn(wanted, name)) {
      faults.push(`${name} is given twice; keep one of them`);
    } else {
      wanted[name] = words[index + 1]!;
    }
  }
  if (faults.length > 0) throw new KvcacheError('CONFIG', faults.join('\n'));
  return wanted;
}
