/** `docs/settings.md`, written from the schema by `npm run generate`. */
import { otherFlags } from './other-flags.ts';
import { type SettingName, settingNames, settingOf } from './schema.ts';
import { dashed, environmentNameOf, flagOf, type Setting } from './setting.ts';

const groupTitles: Readonly<Record<string, string>> = {
  shard: 'Identity and data',
  memory: 'Memory and disk',
  acknowledgement: 'Durability',
  eviction: 'Eviction',
  blob: 'Azure Blob',
  grpc: 'Listeners',
  tls: 'Security',
  router: 'Router',
  monitoring: 'Watching',
  operator: 'Operator',
  dev: 'Local cluster',
  client: 'Client',
};

function defaultOf({ default: fallback, type }: Setting<unknown>): string {
  if (fallback.kind === 'none') return 'none';
  return fallback.kind === 'derived' ? fallback.text : `\`${type.format(fallback.value)}\``;
}

function aliasesOf({ aliases }: Setting<unknown>): string {
  const all = [
    ...(aliases.names ?? []).map((name) => `\`${name}\` in a file`),
    ...(aliases.flags ?? []).map((flag) => `\`${dashed(flag)}\``),
    ...(aliases.environment ?? []).map((variable) => `\`${variable}\``),
  ];
  return all.length > 0 ? ` Also: ${all.join(', ')}.` : '';
}

function sectionOf(name: SettingName): string {
  const setting = settingOf(name);
  const users = setting.usedBy.map((role) => `\`${role}\``).join(', ');
  return [
    `### \`${name}\``,
    '',
    `${setting.description}${aliasesOf(setting)}`,
    '',
    `- Flag: \`--${flagOf(name)} ${setting.type.placeholder.toUpperCase()}\``,
    `- Environment: \`${environmentNameOf(name)}\``,
    `- Takes: ${setting.type.expected}`,
    `- Default: ${defaultOf(setting)}`,
    `- Used by: ${users}`,
    `- Changes while running: ${setting.changeable ? 'yes' : 'no'}`,
    ...(setting.secret ? ['- Secret: never printed or logged'] : []),
    '',
  ].join('\n');
}

function ignoredTable(): string {
  const rows = settingNames
    .filter((name) => settingOf(name).ignored)
    .map((name) => `| \`${name}\` | \`--${flagOf(name)}\` | ${settingOf(name).description} |`);
  return ['| Name | Flag | |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

function otherFlagsTable(): string {
  const rows = otherFlags.map(({ flag, short, placeholder, system, description, usedBy }) => {
    const letter = short === undefined ? '' : `\`-${short}\`, `;
    const argument = placeholder === undefined ? '' : ` ${placeholder.toUpperCase()}`;
    return `| ${letter}\`--${flag}${argument}\` | ${system} | ${usedBy.join(', ')} | ${description} |`;
  });
  return ['| Flag | Of | Taken by | What it does |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

const introduction = `# Settings

<!-- Generated from settings/schema.ts by \`npm run generate\`; edit that file. -->

A setting comes from a flag, else from the environment, else from the file that \`--config FILE\` or \`KVCACHE_CONFIG\`
names (YAML or JSON; nested, with dotted names, or flat with underscores as in \`eviction_batch_size\`), else from its default. \`kvcache config\` shows every setting with its
value and where it came from; with \`--server\`, \`--port-base\` or \`--running\` it shows what a cluster runs with, and
\`kvcache config set NAME VALUE\` changes what may change at run time, on all shards and for good, over restarts too. A client
does the same with kv.KeyValueService's GetConfig and UpdateConfig, where names of the Go KVCache stand beside ours. Everything is checked at start: all mistakes are told at once, and the exit code is 2.
Two flags for one setting are a mistake, too.

\`\`\`yaml
memory:
  limit: 4GiB
blob:
  account_url: https://ACCOUNT.blob.core.windows.net
  container: kvcache
eviction.disk_usage_threshold: 80
\`\`\`

- Sizes: bytes, or a number with KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024).
- Durations: seconds, or a number with ms, s, m, h or d.
- Percentages: \`80\`, \`80%\` or \`0.8\`. Shares: \`0.5\` or \`50%\`.
- In a pod, Kubernetes adds variables such as \`KVCACHE_HTTP_PORT=tcp://…\` for Services of that name; they are skipped.
`;

/** The whole document. */
export function settingsDocument(): string {
  const parts = [introduction];
  for (const name of settingNames) {
    if (settingOf(name).ignored) continue;
    const title = groupTitles[name] ?? groupTitles[name.split('.', 1)[0]!];
    const heading = `## ${title ?? ''}\n`;
    if (title !== undefined && !parts.includes(heading)) parts.push(heading);
    parts.push(sectionOf(name));
  }
  parts.push('## Names of other systems\n', ignoredTable());
  parts.push(
    '### Flags of their servers\n',
    'A start script for one of them starts a shard or a router unchanged. Names of a single setting stand beside it above.',
    'A flag of this table and one of the settings that it sets, given together, are refused.\n',
    otherFlagsTable(),
  );
  return parts.join('\n');
}
