/** COMMAND: what there is, as clients ask at their start. Everything is told from the tables of commands. */
import { compileGlob } from '../../../commands/glob.ts';
import { keysOf } from '../../../commands/key-slots.ts';
import { ReplyError } from '../../../commands/reply.ts';
import { arityFault } from '../../../commands/table.ts';
import type { Catalogue, KnownCommand } from '../catalogue.ts';
import { redisCommands } from '../redis-commands.ts';
import { bulk, RespMap, type RespReply, SetReply } from '../resp-reply.ts';
import { dispatch, type SessionCommand, syntaxError, takes, upperWord } from './session-command.ts';

const help = [
  '(no subcommand)',
  '    Return details about all Redis commands.',
  'COUNT',
  '    Return the total number of commands in this Redis server.',
  'LIST',
  '    Return a list of all commands in this Redis server.',
  'INFO [<command-name> ...]',
  '    Return details about multiple Redis commands.',
  'DOCS [<command-name> ...]',
  '    Return documentation details about multiple Redis commands.',
  'GETKEYS <full-command>',
  '    Return the keys from a full Redis command.',
];

const subcommands = dispatch(
  'COMMAND',
  {
    COUNT: { arguments: takes(0), run: (_args, _client, { catalogue }) => catalogue.commands.length },
    LIST: { arguments: takes(0, 3), run: (args, _client, { catalogue }) => list(args, catalogue) },
    INFO: {
      arguments: takes(0, Infinity),
      run: (names, _client, { catalogue }) =>
        names.length === 0 ? catalogue.commands.map(describe) : names.map((name) => describeNamed(name, catalogue)),
    },
    DOCS: { arguments: takes(0, Infinity), run: (names, _client, { catalogue }) => documents(names, catalogue) },
    GETKEYS: { arguments: takes(2, Infinity), run: (args, _client, { catalogue }) => getKeys(args, catalogue) },
  },
  help,
);

export const commandCommands: readonly SessionCommand[] = [
  {
    name: 'COMMAND',
    arguments: takes(0, Infinity),
    summary: 'The commands of this server.',
    group: 'server',
    run: (args, client, parts) =>
      args.length === 0 ? parts.catalogue.commands.map(describe) : subcommands(args, client, parts),
  },
];

/** As Redis counts: with the name, and negative where more may follow. */
export function arityOf({ spec, session }: KnownCommand): number {
  const { min, max } = (spec ?? session)!.arguments;
  return min === max ? min + 1 : -(min + 1);
}

export function flagsOf({ spec, session }: KnownCommand): string[] {
  if (session?.isOpen) return ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'];
  if (spec === undefined) return ['loading', 'stale'];
  const isFast = spec.keys?.count === 1;
  return [spec.writes ? 'write' : 'readonly', ...(spec.writes ? ['denyoom'] : []), ...(isFast ? ['fast'] : [])];
}

function categoriesOf({ spec, session }: KnownCommand): string[] {
  if (session !== undefined) return [session.group === 'connection' ? '@connection' : '@admin'];
  return [...(spec?.keys === undefined ? [] : ['@keyspace']), spec?.writes ? '@write' : '@read'];
}

/** First, last and step, as Redis counts: with the name; a last of -1 is the end. */
function keyPlaces({ spec }: KnownCommand): [number, number, number] {
  if (spec?.keys === undefined || spec.keys.count === 'counted') return [0, 0, 0];
  const { first, step, count } = spec.keys;
  return [first + 1, count === 'rest' ? -1 : first + 1 + (count - 1) * step, step];
}

function describe(command: KnownCommand): RespReply {
  const words = (items: readonly string[]): SetReply => new SetReply(items);
  const [first, last, step] = keyPlaces(command);
  const flags = command.spec?.keys?.count === 'counted' ? [...flagsOf(command), 'movablekeys'] : flagsOf(command);
  const name = bulk(command.name.toLowerCase());
  return [name, arityOf(command), words(flags), first, last, step, words(categoriesOf(command)), [], [], []];
}

function describeNamed(name: Buffer, catalogue: Catalogue): RespReply {
  const command = catalogue.named(name);
  return command === undefined ? null : describe(command);
}

function documents(names: readonly Buffer[], catalogue: Catalogue): RespReply {
  const chosen = names.length === 0 ? catalogue.commands : names.flatMap((name) => catalogue.named(name) ?? []);
  return new RespMap(
    chosen.map((command) => [
      bulk(command.name.toLowerCase()),
      new RespMap([
        [bulk('summary'), bulk((command.spec ?? command.session)!.summary)],
        [bulk('since'), bulk('1.0.0')],
        [bulk('group'), bulk(command.session?.group ?? groupOf(command.name))],
      ]),
    ]),
  );
}

function groupOf(name: string): string {
  return Object.entries(redisCommands).find(([, names]) => names.includes(name))?.[0] ?? 'generic';
}

function getKeys([name, ...args]: readonly Buffer[], catalogue: Catalogue): RespReply {
  const command = catalogue.named(name!);
  if (command === undefined) return new ReplyError('ERR', 'Invalid command specified');
  const { spec } = command;
  if (spec?.keys === undefined) return new ReplyError('ERR', 'The command has no key arguments');
  if (arityFault(spec, args.length) !== undefined) {
    return new ReplyError('ERR', 'Invalid number of arguments specified for command');
  }
  const keys = keysOf(spec, { name: command.name, args });
  return keys.length === 0 ? new ReplyError('ERR', 'The command has no key arguments') : [...keys];
}

function list(args: readonly Buffer[], catalogue: Catalogue): RespReply {
  const named = (commands: readonly KnownCommand[]): RespReply => commands.map(({ name }) => bulk(name.toLowerCase()));
  if (args.length === 0) return named(catalogue.commands);
  const [filterBy, kind, value] = args;
  if (args.length !== 3 || upperWord(filterBy!) !== 'FILTERBY') return syntaxError;
  const text = value!.toString('latin1').toLowerCase();
  switch (upperWord(kind!)) {
    case 'MODULE':
      return [];
    case 'ACLCAT':
      return named(catalogue.commands.filter((command) => categoriesOf(command).includes(`@${text}`)));
    case 'PATTERN': {
      const glob = compileGlob(text);
      return named(catalogue.commands.filter(({ name }) => glob.matches(name.toLowerCase())));
    }
    default:
      return syntaxError;
  }
}
