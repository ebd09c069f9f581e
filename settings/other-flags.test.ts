import { expect, test } from 'vitest';
import { KvcacheError } from '../errors.ts';
import { type LoadedSettings, loadSettings } from './load.ts';
import { type OtherFlag, otherFlags } from './other-flags.ts';
import { settingNames, settingOf } from './schema.ts';
import { flagOf, type ProcessRole } from './setting.ts';

function load(flags: Record<string, unknown>, role: ProcessRole = 'shard'): LoadedSettings {
  return loadSettings({ role, flags, environment: {} });
}

function faultsOf(flags: Record<string, unknown>): string {
  try {
    load(flags);
  } catch (error) {
    if (error instanceof KvcacheError) return error.message;
    throw error;
  }
  throw new Error('the settings were accepted');
}

const meanings: [Record<string, unknown>, ProcessRole, Record<string, unknown>][] = [
  [{ address: '10.0.0.1:50052' }, 'shard', { 'grpc.host': '10.0.0.1', 'grpc.port': 50_052 }],
  [{ address: '[::1]:50052' }, 'router', { 'grpc.host': '::1', 'grpc.port': 50_052 }],
  [{ listen: ':50061' }, 'shard', { 'grpc.port': 50_061 }],
  [{ listen: 'localhost:50061' }, 'shard', { 'grpc.host': 'localhost', 'grpc.port': 50_061 }],
  [{ 'node-id': 'node1' }, 'shard', { 'shard.name': 'node1' }],
  [{ 'node-id': 'node1' }, 'router', { 'router.name': 'node1' }],
  [{ bind: '127.0.0.1:6380' }, 'shard', { 'tcp.host': '127.0.0.1', 'tcp.port': 6_380 }],
  [{ shards: '512' }, 'shard', {}],
  [{ shards: '4' }, 'dev', { 'dev.shards': 4 }],
  [{ 'data-dir': './d' }, 'shard', { 'data.path': './d' }],
  [{ 'disable-persistence': true }, 'shard', { 'log.fsync': 'never' }],
  [{ 'fsync-interval-ms': '0' }, 'shard', { 'log.fsync': 'always' }],
  [{ 'fsync-interval-ms': '100' }, 'shard', { 'log.fsync': 'always' }],
  [{ 'fsync-interval-ms': '1000' }, 'shard', { 'log.fsync': 'everysec' }],
  [{ 'snapshot-interval-secs': '300', 'snapshot-ops-threshold': '100000' }, 'shard', {}],
];

test.each(meanings)('%j of a %s is %j', (flags, role, given) => {
  expect(load(flags, role).given).toEqual(given);
});

test('a flag that does less than it did where it comes from is a warning each', () => {
  const flags = { 'fsync-interval-ms': '100', 'snapshot-interval-secs': '300', shards: '512', bind: ':6380' };
  const { warnings } = load(flags);
  expect(warnings.map((warning) => warning.split(/[: ]/, 1)[0])).toEqual([
    '--fsync-interval-ms',
    '--snapshot-interval-secs',
    '--shards',
  ]);
});

test('what asks for copies on several servers is refused, and what asks for one is taken', () => {
  expect(load({ master: true, rf: '1', r: '1', w: '1', vnodes: '128' }).given).toEqual({});
  expect(faultsOf({ rf: '3' })).toBe(
    "--rf is '3'; it must be 1: a key has one copy, at its owner, and one in Blob where that is configured",
  );
  for (const flag of ['replica', 'replicas', 'master-address', 'peers', 'seed']) {
    expect(faultsOf({ [flag]: 'x' })).toContain(`--${flag} is 'x'; it must be left out: nothing is copied`);
  }
});

test('a setting by two flags is refused, whichever they are', () => {
  expect(faultsOf({ 'grpc-port': '1', address: ':2' })).toBe(
    'grpc.port is given twice, by --grpc-port and --address; keep one of them',
  );
  expect(faultsOf({ listen: ':1', port: '2' })).toContain('by --listen and --port;');
  expect(faultsOf({ 'data-path': 'a', 'data-dir': 'b' })).toContain('data.path is given twice');
});

test('a value that is not right is told with what would be', () => {
  expect(faultsOf({ bind: 'here' })).toBe("--bind is 'here'; it must be host:port such as 0.0.0.0:50051, or :50051");
  expect(faultsOf({ listen: ':70000' })).toBe(
    "grpc.port is '70000' (flag --listen); it must be a port, from 0 to 65535",
  );
  expect(faultsOf({ 'fsync-interval-ms': 'often' })).toContain("--fsync-interval-ms is 'often'; it must be");
});

test('no process has two meanings for one flag', () => {
  for (const name of settingNames) {
    const { aliases, usedBy } = settingOf(name);
    for (const flag of [flagOf(name), ...(aliases.flags ?? [])]) {
      const others: OtherFlag[] = otherFlags.filter((other) => [other.flag, other.short].includes(flag));
      expect(others.flatMap((other) => other.usedBy.filter((role) => usedBy.includes(role)))).toEqual([]);
    }
  }
});
