/**
 * The flags of a command that are settings: declared from the schema, collected for the loader.
 */
import { type Command, Option } from 'commander';
import { type LoadedSettings, loadSettings } from '../settings/load.ts';
import { otherFlags } from '../settings/other-flags.ts';
import { settingNames, type SettingName, settingOf } from '../settings/schema.ts';
import { flagOf, type ProcessRole } from '../settings/setting.ts';
import type { Terminal } from './terminal.ts';

function groupOf(name: SettingName): string {
  const group = name.split(/[._]/, 1)[0]!;
  return `Settings of ${group}:`;
}

/** The flag by which help shows the setting: what people type, such as `--shards` for `dev.shards`. */
function shownFlagOf(name: SettingName): string {
  const isForPeople = name.startsWith('dev.') || name.startsWith('client.');
  return (isForPeople ? settingOf(name).aliases.flags?.[0] : undefined) ?? flagOf(name);
}

/** Adds `--config` and a flag for every setting that one of the roles uses, aliases and flags of other systems hidden. */
export function addSettingFlags(command: Command, ...roles: readonly ProcessRole[]): Command {
  command.addOption(new Option('--config <file>', 'read settings from a YAML or JSON file'));
  for (const name of settingNames) {
    const { type, description, usedBy, aliases, ignored } = settingOf(name);
    if (!roles.some((role) => usedBy.includes(role))) continue;
    const isBoolean = type.placeholder === 'boolean';
    const argument = isBoolean || ignored ? ` [${type.placeholder}]` : ` <${type.placeholder}>`;
    const shown = shownFlagOf(name);
    const short = aliases.flags?.find((flag) => flag.length === 1);
    const long = (aliases.flags ?? []).filter((flag) => flag !== short);
    for (const flag of new Set([shown, flagOf(name), ...long])) {
      // A short name is a switch, which must not swallow the command's own argument: `get --tls KEY`.
      const isSwitch = isBoolean && flag !== flagOf(name);
      const letter = short !== undefined && flag === shown ? `-${short}, ` : '';
      const written = `${letter}--${flag}${isSwitch ? '' : argument}`;
      const option = new Option(written, description).helpGroup(groupOf(name));
      command.addOption(flag === shown && !ignored ? option : option.hideHelp());
    }
  }
  addOtherFlags(command, roles);
  return command;
}

/** Flags of other systems' servers: taken, and hidden as aliases are. Where a setting has the same flag it is there. */
function addOtherFlags(command: Command, roles: readonly ProcessRole[]): void {
  for (const { flag, short, placeholder, description, usedBy } of otherFlags) {
    const isThere = command.options.some(({ long }) => long === `--${flag}`);
    if (isThere || !roles.some((role) => usedBy.includes(role))) continue;
    const letter = short === undefined ? '' : `-${short}, `;
    const argument = placeholder === undefined ? '' : ` <${placeholder}>`;
    command.addOption(new Option(`${letter}--${flag}${argument}`, description).hideHelp());
  }
}

/** The flags that were typed, by name without dashes. */
export function typedFlags(command: Command): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === 'cli' && option.long) {
      flags[option.long.slice(2)] = command.getOptionValue(name);
    }
  }
  return flags;
}

/** Loads the settings of a command that `addSettingFlags` prepared, and says what looks mistyped. */
export function settingsOfCommand(command: Command, role: ProcessRole, terminal: Terminal): LoadedSettings {
  const { config, ...flags } = typedFlags(command);
  const loaded = loadSettings({
    role,
    flags,
    environment: process.env,
    filePath: typeof config === 'string' ? config : undefined,
  });
  for (const warning of loaded.warnings) terminal.warn(`kvcache: ${warning}`);
  return loaded;
}
