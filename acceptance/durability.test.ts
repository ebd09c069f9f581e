/**
 * What survives what: every cell of the table of docs/durability.md, on a real shard with a real disk and Azurite.
 *
 * The title of a test is `row, column: cell` of the table, and the last test of this file holds the two together. For
 * each failure, three shards (one a policy of fsync) live through it side by side; the tests then look at what each of
 * them still had, by the acknowledgement under which it was written:
 *
 *   early   written, then committed to Blob by a write that waited for that
 *   late    written after that commit; nothing more goes to Blob by itself, for the flush interval is ten minutes
 *   last    acknowledged from memory right before the failure
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { azuriteConnectionString } from '../azurite/azurite.ts';
import type { KvcacheClient } from '../client/key-client.ts';
import { type Acknowledgement, acknowledgements } from '../commands/command.ts';
import { startTestAzurite, type TestAzurite } from '../testing/azurite.ts';
import { FaultProxy } from '../testing/fault-proxy.ts';
import { RecordedDisk } from './lost-machine.ts';
import { ShardProcess } from './shard-process.ts';
import { valueOf, versionOf } from './values.ts';

const policies = ['always', 'everysec', 'never'] as const;
const failures = ['process killed', 'machine lost', 'disk lost', 'Blob away'] as const;
const groups = ['memory early', 'disk early', 'blob early', 'memory late', 'disk late', 'memory last'] as const;
type Policy = (typeof policies)[number];
type Failure = (typeof failures)[number];
type Group = (typeof groups)[number];

const keysPerGroup = 12;
const valueBytes = 3_000;

let azurite: TestAzurite;
beforeAll(async () => {
  azurite = await startTestAzurite();
});
afterAll(() => azurite.remove());

/** One shard on its way through a failure. */
class Subject {
  readonly policy: Policy;
  disk!: RecordedDisk;
  /** Of each group that was acknowledged, which keys were there afterwards, in the order of writing. */
  readonly found = new Map<Group, boolean[]>();
  readonly #written = new Set<Group>();
  #proxy: FaultProxy | undefined;
  shard!: ShardProcess;

  constructor(policy: Policy) {
    this.policy = policy;
  }

  async start(): Promise<void> {
    this.disk = new RecordedDisk();
    const { dataPath, environment } = this.disk;
    this.#proxy = await FaultProxy.start(azurite.azurite.port);
    this.shard = await ShardProcess.start({
      dataPath,
      environment,
      settings: {
        'blob.connection_string': azuriteConnectionString(this.#proxy.port),
        'blob.container': azurite.newContainerName(),
        'blob.flush_interval': '10m',
        'log.fsync': this.policy,
      },
    });
  }

  get client(): KvcacheClient {
    return this.shard.keyClient({ retry: { attemptsMax: 1 } });
  }

  /** From now on no request reaches Blob. */
  loseBlob(): void {
    this.#proxy!.addRule({ fault: { kind: 'cut' } });
  }

  /** Writes a group, key by key, at the level that its name begins with. */
  async write(...wanted: readonly Group[]): Promise<void> {
    const client = this.client;
    for (const group of wanted) {
      this.#written.add(group);
      for (const key of keysOf(group)) {
        await client.set(key, valueOf(key, 1, valueBytes), { acknowledgement: levelOf(group) });
      }
    }
  }

  /** Resolves when all that was written is in the file. */
  async untilInFile(): Promise<void> {
    const bytes = this.#written.size * keysPerGroup * valueBytes;
    await vi.waitUntil(() => this.disk.writtenBytes() > bytes, { timeout: 10_000, interval: 10 });
  }

  /** Resolves when all that is in the file is on the disk. */
  async untilSynced(): Promise<void> {
    await this.untilInFile();
    const written = this.disk.writtenBytes();
    await vi.waitUntil(() => this.disk.syncedBytes() >= written, { timeout: 10_000, interval: 20 });
  }

  /** Starts it after the failure and finds out what it still has; wrong bytes fail here. */
  async lookAround(): Promise<void> {
    await this.shard.restart();
    const client = this.client;
    for (const group of this.#written) {
      const values = await client.mget(keysOf(group));
      values.forEach((value, index) => value && expect(versionOf(keysOf(group)[index]!, value)).toBe(1));
      this.found.set(
        group,
        values.map((value) => value !== null),
      );
    }
  }

  async dispose(): Promise<void> {
    await this.shard?.dispose();
    await this.#proxy?.close();
    this.disk?.remove();
  }
}

function keysOf(group: Group): string[] {
  return Array.from({ length: keysPerGroup }, (_, index) => `${group} ${index}`);
}

function levelOf(group: Group): Acknowledgement {
  return group.slice(0, group.indexOf(' ')) as Acknowledgement;
}

/** What each failure is: the last write of the early groups waits for Blob, which then has all of them. */
const livedThrough: Readonly<Record<Failure, (subject: Subject) => Promise<void>>> = {
  'process killed': async (subject) => {
    await subject.write('memory early', 'disk early', 'blob early', 'disk late', 'memory late');
    if (subject.policy !== 'always') await subject.untilInFile();
    await subject.write('memory last');
    await subject.shard.end('SIGKILL');
  },
  'machine lost': async (subject) => {
    // Nothing that is synced comes behind `disk early`, unless the policy says so.
    await subject.write('disk early', 'memory early', 'blob early', 'memory late');
    if (subject.policy === 'everysec') await subject.untilSynced();
    await subject.write('memory last');
    await subject.shard.end('SIGKILL');
    subject.disk.losePower();
  },
  'disk lost': async (subject) => {
    await subject.write('memory early', 'disk early', 'blob early', 'disk late', 'memory late');
    await subject.shard.end('SIGKILL');
    subject.shard.loseDisk();
  },
  'Blob away': async (subject) => {
    await subject.write('memory early', 'disk early', 'blob early');
    subject.loseBlob();
    await subject.write('disk late', 'memory late');
    const late = subject.client.set('too late', 'x', { acknowledgement: 'blob', timeoutMs: 300 });
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    await subject.untilInFile();
    await subject.shard.end('SIGKILL');
  },
};

interface Outcome {
  /** The cell of the table. */
  readonly text: string;
  readonly expect: (subject: Subject) => void;
}

function kept(level: Acknowledgement, text = 'all is kept'): Outcome {
  return { text, expect: (subject) => expectKept(subject, level) };
}

function keptInBlob(level: 'memory' | 'disk'): Outcome {
  return { text: 'what Blob has is kept', expect: (subject) => expectOnlyEarly(subject, level) };
}

/** What the table says, and what holds then. */
const outcomes: Readonly<Record<Failure, (level: Acknowledgement, policy: Policy) => Outcome>> = {
  'process killed': (level, policy) => {
    if (level !== 'memory' || policy === 'always') return kept(level);
    return { text: 'all but the last moment is kept', expect: expectAllButLast };
  },
  'machine lost': (level, policy) => {
    if (level !== 'memory' || policy === 'always') return kept(level);
    if (policy === 'never') return keptInBlob(level);
    return { text: 'all but the last second is kept', expect: expectAllButLast };
  },
  'disk lost': (level) => (level === 'blob' ? kept(level) : keptInBlob(level)),
  'Blob away': (level) => kept(level, `all is kept, new writes ${level === 'blob' ? 'wait' : 'go on'}`),
};

function missing(subject: Subject, group: Group): number {
  return (subject.found.get(group) ?? []).filter((isThere) => !isThere).length;
}

function expectKept(subject: Subject, level: Acknowledgement): void {
  const written = [...subject.found.keys()].filter((group) => levelOf(group) === level);
  expect(written).toContain(`${level} early`);
  expect(written.map((group) => [group, missing(subject, group)])).toEqual(written.map((group) => [group, 0]));
}

/** What is missing of the last moment is its end: nothing is kept that came behind something lost. */
function expectAllButLast(subject: Subject): void {
  expect(missing(subject, 'memory early') + missing(subject, 'memory late')).toBe(0);
  const last = subject.found.get('memory last')!;
  expect(last).toEqual([...last].sort((a, b) => Number(b) - Number(a)));
}

function expectOnlyEarly(subject: Subject, level: 'memory' | 'disk'): void {
  expect(missing(subject, `${level} early`)).toBe(0);
  expect(missing(subject, `${level} late`)).toBe(keysPerGroup);
}

function titleOf(level: Acknowledgement, policy: Policy, failure: Failure): string {
  return `${level}, fsync ${policy}, ${failure}: ${outcomes[failure](level, policy).text}`;
}

describe.each(failures)('%s', (failure) => {
  const subjects = policies.map((policy) => new Subject(policy));
  beforeAll(async () => {
    await Promise.all(subjects.map((subject) => subject.start()));
    await Promise.all(subjects.map((subject) => livedThrough[failure](subject)));
    await Promise.all(subjects.map((subject) => subject.lookAround()));
  });
  afterAll(async () => {
    await Promise.all(subjects.map((subject) => subject.dispose()));
  });

  for (const subject of subjects) {
    for (const level of acknowledgements) {
      test(titleOf(level, subject.policy, failure), () => {
        outcomes[failure](level, subject.policy).expect(subject);
      });
    }
  }
});

test('every cell of the table in docs/durability.md is the title of a test here, and the other way round', () => {
  const document = readFileSync(join(import.meta.dirname, '../docs/durability.md'), 'utf8');
  const rows = document
    .split('\n')
    .filter((line) => /^\| *`(memory|disk|blob)`, fsync/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  const cells = rows.flatMap(([row, ...outcomes]) =>
    outcomes.map((outcome, column) => `${row}, ${failures[column]}: ${outcome}`),
  );
  const titles = failures.flatMap((failure) =>
    policies.flatMap((policy) => acknowledgements.map((level) => titleOf(level, policy, failure))),
  );
  expect(cells.sort()).toEqual(titles.sort());
});
