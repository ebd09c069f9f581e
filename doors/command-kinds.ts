/**
 * The kinds by which doors count commands. Most follow from the command table, so that a new command is counted without
 * anybody thinking of it: what writes one key is a set, what reads one is a get, strings and collections alike. By name
 * go only commands whose kind the table does not tell, above all those that users of the Go KVCache have in their
 * dashboards under a kind of its own. Whatever clients give beside these is `other`, so that no traffic looks idle.
 *
 * Rejected: a kind a command. Two hundred histograms would say less than these eleven, and cost every scrape.
 */
import { type CommandSpec, commandTable } from '../commands/table.ts';

/** By kind, what is counted, as the descriptions of its metrics say it. */
export const commandKinds = {
  set: 'writes of a key',
  get: 'reads of a key',
  delete: 'deletes of a key',
  mset: 'writes of several keys',
  mget: 'reads of several keys',
  mdelete: 'deletes of several keys',
  scan: 'pages of scans',
  block_lookup: 'lookups of prompts',
  block_read: 'reads of a prompt block',
  block_write: 'writes of a prompt block',
  other: 'commands of no kind of their own, such as EXISTS or SINTER',
} as const;

export type CommandKind = keyof typeof commandKinds;

const kindByName: ReadonlyMap<string, CommandKind> = new Map([
  // They write too, and are given for what they answer.
  ['GETDEL', 'get'],
  ['GETEX', 'get'],
  ['DEL', 'delete'],
  ['UNLINK', 'delete'],
  ['VERSION.DEL', 'delete'],
  ['MSET', 'mset'],
  ['MSETNX', 'mset'],
  ['MSETEX', 'mset'],
  ['VALUE.MSET', 'mset'],
  ['MGET', 'mget'],
  ['TEXT.MGET', 'mget'],
  ['VALUE.MGET', 'mget'],
  ['PREFIXSCAN', 'scan'],
  ['SCAN', 'scan'],
  ['BLOCK.VERSIONS', 'block_lookup'],
  ['BLOCK.GET', 'block_read'],
  ['BLOCK.PUT', 'block_write'],
]);

/** What the dashboard asks in order to show something: it would count itself. */
const lookedUp: ReadonlySet<string> = new Set(['KEY.INFO', 'BLOCK.INFO']);

function kindOf({ name, keys, writes, scope }: CommandSpec): CommandKind | undefined {
  if (lookedUp.has(name) || (scope === 'process' && keys === undefined)) return undefined;
  const named = kindByName.get(name);
  if (named !== undefined) return named;
  if (keys?.count !== 1) return 'other';
  return writes ? 'set' : 'get';
}

/** By name, of all commands that are counted: not what is about a process, such as SHARDINFO. */
export const kindsOfCommands: ReadonlyMap<string, CommandKind> = new Map(
  [...commandTable.values()].flatMap((spec) => {
    const kind = kindOf(spec);
    return kind === undefined ? [] : [[spec.name, kind] as const];
  }),
);
