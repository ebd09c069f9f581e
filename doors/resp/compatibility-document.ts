/** `docs/redis-compatibility.md`, written from the tables of commands by `npm run generate`. */
import type { KeySpec } from '../../commands/table.ts';
import { Catalogue, type KnownCommand } from './catalogue.ts';
import { laterCommands, redisCommands } from './redis-commands.ts';
import { redisSubcommands } from './redis-subcommands.ts';
import { sessionCommands } from './session/session-commands.ts';
import { respVersion } from './version.ts';

const titles: Readonly<Record<string, string>> = {
  generic: 'Keys and expiry',
  string: 'Strings and numbers',
  hash: 'Hashes',
  list: 'Lists',
  set: 'Sets',
  'sorted-set': 'Sorted sets',
  connection: 'Connections',
  server: 'Server',
  cluster: 'Cluster',
  bitmap: 'Bitmaps',
  hyperloglog: 'HyperLogLog',
  geo: 'Geo',
  stream: 'Streams',
  pubsub: 'Publish and subscribe',
  transactions: 'Transactions',
  scripting: 'Scripts and functions',
};

/** The whole document. */
export function compatibilityDocument(): string {
  const catalogue = new Catalogue(sessionCommands);
  const known = new Map(catalogue.commands.map((command) => [command.name, command]));
  const groups = Object.entries(redisCommands).map(([group, names]) => {
    const { there, missing } = parted(names, known);
    return section(titles[group] ?? group, there, missing.length === 0 ? [] : [`Not there: ${shown(missing)}.`]);
  });
  const later = parted(Object.values(laterCommands).flat(), known);
  const laterMissing = Object.entries(laterCommands).flatMap(([version, names]) => {
    const { missing } = parted(names, known);
    return missing.length === 0 ? [] : [`Not there of Redis ${version}: ${shown(missing)}.`];
  });
  return `# Redis compatibility

<!-- Generated from commands/table.ts and doors/resp/ by \`npm run generate\`; edit those files. -->

What a Redis client can ask at the RESP port of a router or a shard ([which client to use where](doors.md)). Replies,
arities and error texts are those of Redis 7; \`HELLO\` and \`INFO\` call it version ${respVersion}. A command that is not
here answers \`ERR unknown command\`, a subcommand \`ERR unknown subcommand\`, as Redis answers what it does not know.

## Over several shards

A router takes keys of any shards in one command where the table says so: the command is split by the shards of its
keys and the replies are made one again. It is then as atomic on each shard as Redis is, and not over all of them: if a
shard fails, the error names it and the shards where it was done. A command that must be done as a whole wants its keys
in one slot, by a common \`{tag}\`, and says \`CROSSSLOT\` otherwise. A shard asked directly does what lies on it, says
\`MOVED\` for a slot of another, and \`CROSSSLOT\` for keys that no one shard has.

Commands that one connection sends without waiting for replies take effect in their order where they share a key, and
are answered in their order always.

## Where answers differ from Redis'

- \`FLUSHALL\` and \`FLUSHDB\` delete all keys and answer when they are gone, with \`ASYNC\` too. Prompt blocks are no keys
  and stay.
- A time of expiry beyond 2^53 ms, 287,000 years, is refused; Redis goes to 2^63.
- \`INCRBYFLOAT\` and \`HINCRBYFLOAT\` give the digits of Redis on x86-64, on every processor.
- \`SCAN\` shows a key that is there from the first page to the last once and only once. Its cursor is good on every
  router and shard, and after a restart.
- \`KEYS\` is refused above 64 MiB of keys.
- \`OBJECT ENCODING\` is told by the value alone: what a value was before does not count, as it sometimes does in Redis.
  \`MEMORY USAGE\` counts this program's bytes.
- \`OBJECT IDLETIME\` counts from the start of the shard, or from when a key came to it, where the key was not used since.
  \`OBJECT FREQ\` answers what Redis does without an LFU policy: there is none here.
- Sets and sorted sets of several shards are combined at the router, up to 64 MiB of members; each set is as it was at
  some moment while the command was under way.
- Keys have up to 64 KiB, values 512 MiB, collections 16 MiB.

${[...groups, section('Of later versions', later.there, laterMissing)].join('\n\n')}
`;
}

interface Parted {
  readonly there: readonly KnownCommand[];
  readonly missing: readonly string[];
}

function parted(names: readonly string[], known: ReadonlyMap<string, KnownCommand>): Parted {
  return { there: names.flatMap((name) => known.get(name) ?? []), missing: names.filter((name) => !known.has(name)) };
}

function shown(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function section(title: string, there: readonly KnownCommand[], absent: readonly string[]): string {
  const rows = there.map((command) => {
    const { summary } = (command.spec ?? command.session)!;
    return `| \`${command.name}\` | ${summary} | ${overShards(command)} |`;
  });
  const table = ['| Command | What it does | Over several shards |', '| --- | --- | --- |', ...rows].join('\n');
  const parts = there.flatMap(({ name }) => {
    const missing = redisSubcommands.get(name)?.missing ?? [];
    return missing.length === 0 ? [] : [`\`${name}\` is there without ${shown(missing)}.`];
  });
  return [`## ${title}`, ...(rows.length === 0 ? [] : [table]), ...parts, ...absent].join('\n\n');
}

function overShards({ spec }: KnownCommand): string {
  if (spec === undefined) return 'the process that is asked';
  if (spec.keys === undefined) return spec.scope === 'process' ? 'every shard' : 'all keys of all shards';
  if (spec.merge !== 'single') return 'yes';
  return takesSeveral(spec.keys) ? 'one slot' : 'one key';
}

function takesSeveral({ count }: KeySpec): boolean {
  return count !== 1;
}
