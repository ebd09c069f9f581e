/**
 * The topology document as text: JSON, one run of slots a line, so that a diff of two epochs is readable.
 *
 * Whatever is read was written by someone else (an operator of another version, a person with an editor), so
 * `parseTopology` checks everything that the rest of the program relies on: the slots are covered in order without gap
 * or overlap, every name is listed, every number is within its bound. Fields that it does not know are left out.
 */
import { KvcacheError, messageOf } from '../errors.ts';
import {
  shardAddressCharsMax,
  shardNameCharsMax,
  shardsMax,
  slotCount,
  topologyBytesMax,
  topologyEpochMax,
} from '../limits.ts';
import type { SlotRun, Topology, TopologyShard } from './topology.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Lower-case names as Kubernetes gives them to pods; also safe in logs, metrics and file names. */
const shardNamePattern = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const addressPattern = /^(\[[0-9a-fA-F:.%a-z]+\]|[^\s:[\]]+):[0-9]{1,5}$/;

/** The topology in `text`. Throws KvcacheError CONFIG with the field that is wrong and what would be right. */
export function parseTopology(text: string): Topology {
  if (text.length > topologyBytesMax)
    fault('', `is ${text.length} characters long, at most ${topologyBytesMax} are read`);
  const root = objectOf(jsonOf(text), '');
  if (root['version'] !== 1) fault('version', `is ${show(root['version'])}, this program reads version 1`);
  const epoch = integerOf(root['epoch'], 'epoch', topologyEpochMax);
  const shards = shardsOf(root['shards']);
  return { version: 1, epoch, shards, slots: slotsOf(root['slots'], epoch, new Set(shards.map(({ name }) => name))) };
}

export function formatTopology(topology: Topology): string {
  const lines = (items: readonly object[]): string => items.map((item) => `    ${JSON.stringify(item)}`).join(',\n');
  return [
    '{',
    '  "version": 1,',
    `  "epoch": ${topology.epoch},`,
    `  "shards": [\n${lines(topology.shards)}\n  ],`,
    `  "slots": [\n${lines(topology.slots)}\n  ]`,
    '}\n',
  ].join('\n');
}

function fault(field: string, what: string): never {
  throw new KvcacheError('CONFIG', `topology: ${field === '' ? 'the document' : field} ${what}`);
}

function show(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return fault('', `is not JSON (${messageOf(error)})`);
  }
}

function objectOf(value: unknown, field: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fault(field, `is ${show(value)}, expected an object`);
  }
  return value as JsonObject;
}

function listOf(value: unknown, field: string, countMax: number): readonly unknown[] {
  if (!Array.isArray(value)) return fault(field, `is ${show(value)}, expected a list`);
  if (value.length === 0 || value.length > countMax) {
    return fault(field, `has ${value.length} items, expected 1 to ${countMax}`);
  }
  return value;
}

function integerOf(value: unknown, field: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    return fault(field, `is ${show(value)}, expected a whole number from 0 to ${max}`);
  }
  return value;
}

function shardsOf(value: unknown): TopologyShard[] {
  const names = new Set<string>();
  return listOf(value, 'shards', shardsMax).map((item, index) => {
    const field = `shards[${index}]`;
    const { name, address } = objectOf(item, field);
    if (typeof name !== 'string' || name.length > shardNameCharsMax || !shardNamePattern.test(name)) {
      return fault(`${field}.name`, `is ${show(name)}, expected lower-case letters, digits, '-' and '.'`);
    }
    if (typeof address !== 'string' || address.length > shardAddressCharsMax || !addressPattern.test(address)) {
      return fault(`${field}.address`, `is ${show(address)}, expected host:port`);
    }
    if (names.has(name)) return fault(`${field}.name`, `is ${show(name)}, which another shard has too`);
    names.add(name);
    return { name, address };
  });
}

function slotsOf(value: unknown, epoch: number, names: ReadonlySet<string>): SlotRun[] {
  const runs: SlotRun[] = [];
  let expected = 0;
  for (const [index, item] of listOf(value, 'slots', slotCount).entries()) {
    const run = runOf(objectOf(item, `slots[${index}]`), `slots[${index}]`, epoch, names);
    if (run.from !== expected)
      fault(`slots[${index}].from`, `is ${run.from}, expected ${expected}: every slot once, in order`);
    if (run.to < run.from) fault(`slots[${index}].to`, `is ${run.to}, expected ${run.from} or more`);
    expected = run.to + 1;
    runs.push(run);
  }
  if (expected !== slotCount) fault('slots', `end at ${expected - 1}, expected ${slotCount - 1}`);
  return runs;
}

function runOf(item: JsonObject, field: string, epoch: number, names: ReadonlySet<string>): SlotRun {
  const run = {
    from: integerOf(item['from'], `${field}.from`, slotCount - 1),
    to: integerOf(item['to'], `${field}.to`, slotCount - 1),
    shards: listOf(item['shards'], `${field}.shards`, names.size).map((name) =>
      knownName(name, `${field}.shards`, names),
    ),
    since: integerOf(item['since'], `${field}.since`, epoch),
  };
  if (new Set(run.shards).size !== run.shards.length)
    fault(`${field}.shards`, `is ${show(run.shards)}, with a name twice`);
  if (item['source'] === undefined) return run;
  const source = knownName(item['source'], `${field}.source`, names);
  return { ...run, source, sourceSince: integerOf(item['sourceSince'], `${field}.sourceSince`, run.since) };
}

function knownName(value: unknown, field: string, names: ReadonlySet<string>): string {
  if (typeof value !== 'string' || !names.has(value)) {
    return fault(field, `is ${show(value)}, which is no shard of this topology`);
  }
  return value;
}
