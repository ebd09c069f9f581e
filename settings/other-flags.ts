/**
 * Flags of other systems' servers that are no second name of one setting: each stands for settings of ours, or for
 * nothing, and then a warning says what takes its place. So a start script that was written for one of those servers
 * starts a shard or a router unchanged.
 *
 * A flag never weakens what it asked for in silence: where there is no equal, the next stronger promise is taken, and what
 * asks for copies on several servers is refused by a sentence of its own, for a server that started without them would
 * look like one that has them.
 * What is another name of one setting (`--port`, `--data-dir`, `-l`) is an alias in the schema instead.
 */
import type { SettingName } from './schema.ts';
import type { ProcessRole } from './setting.ts';

export interface FlagMeaning {
  readonly settings?: Readonly<Partial<Record<SettingName, unknown>>>;
  /** Of a flag that does less than it did where it comes from. */
  readonly warning?: string;
}

export interface OtherFlag {
  /** Without the dashes. */
  readonly flag: string;
  /** One letter. */
  readonly short?: string;
  /** What help shows as its argument; a switch has none. */
  readonly placeholder?: string;
  readonly system: string;
  /** What it does here, for help and docs. */
  readonly description: string;
  readonly usedBy: readonly ProcessRole[];
  /** Completes the sentence "it must be …". */
  readonly expected: string;
  /** Undefined for a value that is not right. */
  readonly meaning: (written: string, role: ProcessRole) => FlagMeaning | undefined;
}

const shard: readonly ProcessRole[] = ['shard'];
const servers: readonly ProcessRole[] = ['shard', 'router'];
const typedServer = 'data-bridge-kv-server';
const storeServer = 'kvstore_server';
const versionedStore = 'the Dynamo-style kvstore';
const addressText = 'host:port such as 0.0.0.0:50051, or :50051';
const countText = 'a whole number';
/** Losing no more than a second is what `everysec` promises. */
const everysecMs = 1_000;

export const otherFlags: readonly OtherFlag[] = [
  {
    flag: 'address',
    placeholder: 'host:port',
    system: storeServer,
    description: 'Sets `grpc.host` and `grpc.port`.',
    usedBy: servers,
    expected: addressText,
    meaning: (written) => addressMeaning(written, 'grpc'),
  },
  {
    flag: 'listen',
    placeholder: 'host:port',
    system: versionedStore,
    description: 'Sets `grpc.host` and `grpc.port`; `:50051` the port alone.',
    usedBy: servers,
    expected: addressText,
    meaning: (written) => addressMeaning(written, 'grpc'),
  },
  {
    flag: 'node-id',
    placeholder: 'name',
    system: versionedStore,
    description: 'Sets `shard.name`, or `router.name` of a router.',
    usedBy: servers,
    expected: 'a name',
    meaning: (written, role) => ({ settings: { [role === 'router' ? 'router.name' : 'shard.name']: written } }),
  },
  {
    flag: 'bind',
    short: 'b',
    placeholder: 'host:port',
    system: typedServer,
    description: 'Sets `tcp.host` and `tcp.port`, the door of its protocol. The other doors keep their own addresses.',
    usedBy: servers,
    expected: addressText,
    meaning: (written) => addressMeaning(written, 'tcp'),
  },
  {
    flag: 'shards',
    short: 's',
    placeholder: 'number',
    system: typedServer,
    description:
      'Without effect: there it parts one process’s memory among threads. Here more shards are more processes.',
    usedBy: servers,
    expected: countText,
    meaning: (written) =>
      countMeaning(written, {
        warning: '--shards is without effect: one process is one shard here; run more of them behind a router',
      }),
  },
  {
    flag: 'disable-persistence',
    system: typedServer,
    description: 'Sets `log.fsync` to `never`. The log, which is the store, is written all the same and read at start.',
    usedBy: shard,
    expected: 'given without a value',
    meaning: () => ({
      settings: { 'log.fsync': 'never' },
      warning: '--disable-persistence: the log is written all the same, and read at start; log.fsync is never',
    }),
  },
  {
    flag: 'fsync-interval-ms',
    placeholder: 'number',
    system: typedServer,
    description:
      'Sets `log.fsync`: `everysec` from 1000 on, else `always`, so that a crash of the machine costs no more than asked.',
    usedBy: shard,
    expected: countText,
    meaning: (written) => countMeaning(written, fsyncOf(Number(written))),
  },
  {
    flag: 'snapshot-interval-secs',
    placeholder: 'number',
    system: typedServer,
    description: 'Without effect: sealed segments of the log have hints, which are the snapshot.',
    usedBy: shard,
    expected: countText,
    meaning: (written) => countMeaning(written, withoutSnapshots('snapshot-interval-secs')),
  },
  {
    flag: 'snapshot-ops-threshold',
    placeholder: 'number',
    system: typedServer,
    description: 'Without effect, as `--snapshot-interval-secs`.',
    usedBy: shard,
    expected: countText,
    meaning: (written) => countMeaning(written, withoutSnapshots('snapshot-ops-threshold')),
  },
  {
    flag: 'master',
    system: storeServer,
    description: 'Without effect: every shard takes the writes of its slots.',
    usedBy: servers,
    expected: 'given without a value',
    meaning: () => ({}),
  },
  replicationFlag(storeServer, 'replica'),
  replicationFlag(storeServer, 'replicas', 'addresses'),
  replicationFlag(storeServer, 'master-address', 'host:port'),
  replicationFlag(versionedStore, 'peers', 'addresses'),
  replicationFlag(versionedStore, 'seed', 'host:port'),
  copiesFlag('rf'),
  copiesFlag('r'),
  copiesFlag('w'),
  {
    flag: 'vnodes',
    placeholder: 'number',
    system: versionedStore,
    description: 'Without effect: shards divide slots by a rule that has no such number.',
    usedBy: servers,
    expected: countText,
    meaning: (written) =>
      countMeaning(written, { warning: '--vnodes is without effect: which shard has which slots is in the topology' }),
  },
];

function replicationFlag(system: string, flag: string, placeholder?: string): OtherFlag {
  return {
    flag,
    ...(placeholder !== undefined && { placeholder }),
    system,
    description: 'Refused: nothing is copied from server to server. Shards behind a router divide the keys.',
    usedBy: servers,
    expected: 'left out: nothing is copied from server to server here; shards behind a router divide the keys',
    meaning: () => undefined,
  };
}

/** How many servers hold a key, or have to answer. */
function copiesFlag(flag: string): OtherFlag {
  return {
    flag,
    placeholder: 'number',
    system: versionedStore,
    description: 'Taken if it is 1: a key has one copy, at its owner, and one in Blob where that is configured.',
    usedBy: servers,
    expected: '1: a key has one copy, at its owner, and one in Blob where that is configured',
    meaning: (written) => (written === '1' ? {} : undefined),
  };
}

/** The flag as somebody who starts a process of `role` means it. */
export function otherFlagNamed(flag: string, role: ProcessRole): OtherFlag | undefined {
  return otherFlags.find((other) => other.flag === flag && other.usedBy.includes(role));
}

/** What a flag of these means, or the fault of its value. */
export function readOtherFlag(
  { flag, expected, meaning }: OtherFlag,
  raw: unknown,
  role: ProcessRole,
): FlagMeaning & { readonly fault?: string } {
  const written = typeof raw === 'string' ? raw : JSON.stringify(raw);
  return meaning(written, role) ?? { fault: `--${flag} is '${written}'; it must be ${expected}` };
}

/** Ports are checked as settings are; a host that is left out stays what it is. */
function addressMeaning(written: string, door: 'grpc' | 'tcp'): FlagMeaning | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(written);
  if (!match) return undefined;
  const host = match[1] ?? match[2];
  return { settings: { [`${door}.port`]: match[3], ...(host !== '' && { [`${door}.host`]: host }) } };
}

function countMeaning(written: string, meaning: FlagMeaning): FlagMeaning | undefined {
  return /^\d+$/.test(written) ? meaning : undefined;
}

function fsyncOf(intervalMs: number): FlagMeaning {
  if (intervalMs >= everysecMs) return { settings: { 'log.fsync': 'everysec' } };
  return {
    settings: { 'log.fsync': 'always' },
    warning: `--fsync-interval-ms ${intervalMs}: log.fsync is always; everysec is faster, and a crash of the machine may cost a second`,
  };
}

function withoutSnapshots(flag: string): FlagMeaning {
  return {
    warning: `--${flag} is without effect: each sealed segment of the log has a hint that recovery starts from; log.segment_size says how often`,
  };
}
