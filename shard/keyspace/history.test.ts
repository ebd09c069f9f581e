/**
 * Random histories of commands against a model, while the log fills up and reads wait, fail and are overtaken.
 *
 * Writes take effect in the order of their coming, so the model does each at once and knows its reply. A read sees the
 * last write that was applied, which may lie behind: its reply must be one of the values that the key had from before
 * the oldest write that was not answered when the read came, up to the read's own answer. Time, eviction by storage
 * and faults come only when nothing is on its way.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../commands/reply.ts';
import { KvcacheError } from '../../errors.ts';
import { EngineModel, plainReply, type SetModifiers } from '../../testing/engine-model.ts';
import { TestShard } from '../../testing/engine-shard.ts';
import { spaceOfBlocks } from '../journal.ts';

const keyNames = ['a', 'b', '{t}c', '{t}d', '\u0080\u00ff', ''];
/** Keys of lists alone, so that no command finds another type. */
const listNames = ['{t}list', 'other list'];
const digests = ['d'.repeat(20), '\u00ff'.repeat(20)];
const versionNames = ['1'.repeat(16), '2'.repeat(16), '\u00ff'.repeat(16)];

const key = fc.constantFrom(...keyNames);
const list = fc.constantFrom(...listNames);
const lifeMs = fc.integer({ min: 1, max: 1_500 });
/** The largest keep no copy in RAM. */
const bodyBytes = fc.constantFrom(0, 1, 100, 5_000, 20_000, 20_000);
const block = fc.record({ digest: fc.constantFrom(...digests), version: fc.constantFrom(...versionNames) });

const command = fc.oneof(
  fc.record({ kind: fc.constant('get'), key }),
  fc.record({ kind: fc.constant('mget'), keys: fc.array(key, { minLength: 1, maxLength: 4 }) }),
  fc.record({
    kind: fc.constant('set'),
    key,
    bodyBytes,
    lifeMs: fc.option(lifeMs, { nil: undefined }),
    keepsExpiry: fc.boolean(),
    condition: fc.constantFrom('NX', 'XX', undefined, undefined),
  }),
  fc.record({ kind: fc.constant('del'), keys: fc.uniqueArray(key, { minLength: 1, maxLength: 3 }) }),
  fc.record({
    kind: fc.constant('mset'),
    keys: fc.array(key, { minLength: 1, maxLength: 4 }),
    bodyBytes,
    lifeMs: fc.option(lifeMs, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('expire'), key, lifeMs: fc.option(lifeMs, { nil: undefined }) }),
  fc.record({ kind: fc.constant('append'), key, bodyBytes }),
  fc.record({ kind: fc.constant('exchange'), key, bodyBytes }),
  fc.record({ kind: fc.constant('get and delete'), key }),
  fc.record({ kind: fc.constant('rename'), key, to: key, replaces: fc.boolean() }),
  fc.record({ kind: fc.constant('copy'), key, to: key }),
  fc.record({ kind: fc.constant('push'), list, bodyBytes }),
  fc.record({ kind: fc.constant('push'), list, bodyBytes }),
  fc.record({ kind: fc.constant('pop'), list }),
  fc.record({ kind: fc.constant('range'), list }),
  fc.record({ kind: fc.constant('expire list'), list, lifeMs }),
  fc.record({ kind: fc.constant('del list'), list }),
  fc.record({ kind: fc.constant('put block'), block, bodyBytes }),
);
const step = fc.oneof(
  { arbitrary: command, weight: 12 },
  { arbitrary: fc.record({ kind: fc.constant('chill') }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('move'), pick: fc.nat() }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('fill log') }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('empty log') }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('hold reads') }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('make room') }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('answer reads') }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('settle') }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('pass'), lifeMs }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('lose'), pick: fc.nat() }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('refuse write'), key }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('fail reads'), key }), weight: 1 },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class History {
  readonly shard: TestShard;
  readonly model: EngineModel;
  readonly #hasJournal: boolean;
  #values = 0;
  #pending: Promise<void>[] = [];
  /** What every key was, write by write. */
  readonly #past = new Map<string, (string | null)[]>([...keyNames, ...listNames].map((name) => [name, [null]]));
  /** Writes of a key that are not answered: how long its past was before each. */
  readonly #unanswered = new Map<string, Set<{ readonly from: number }>>(
    [...keyNames, ...listNames].map((name) => [name, new Set()]),
  );

  constructor(hasJournal: boolean) {
    this.#hasJournal = hasJournal;
    this.shard = new TestShard({ withJournal: hasJournal, diskThresholdBytes: 10_000 });
    this.model = new EngineModel(() => this.shard.clock.now());
  }

  async do(step: Step): Promise<void> {
    const { journal, clock } = this.shard;
    switch (step.kind) {
      case 'chill':
        if (this.#hasJournal) this.shard.chill();
        break;
      case 'move':
        this.#move(step.pick);
        break;
      case 'fill log':
        journal.isFull = true;
        break;
      case 'empty log':
        // Whoever was told to wait still waits.
        journal.isFull = false;
        break;
      case 'make room':
        journal.makeRoom();
        break;
      case 'hold reads':
        journal.holdsReads = true;
        break;
      case 'answer reads':
        journal.answerReads();
        break;
      case 'settle':
        await this.settle();
        break;
      case 'pass':
        await this.settle();
        clock.advance(step.lifeMs);
        this.#observeAll();
        break;
      case 'lose':
        await this.settle();
        this.#lose(step.pick);
        break;
      case 'refuse write':
        if (this.#hasJournal) await this.#refuseWrite(step.key);
        break;
      case 'fail reads':
        if (this.#hasJournal) await this.#failReads(step.key);
        break;
      case 'get':
      case 'mget':
      case 'set':
      case 'del':
      case 'mset':
      case 'expire':
      case 'append':
      case 'exchange':
      case 'get and delete':
      case 'rename':
      case 'copy':
      case 'push':
      case 'pop':
      case 'range':
      case 'expire list':
      case 'del list':
      case 'put block':
        this.#run(step);
        break;
    }
  }

  /** Lets everything that is on its way come to its end, and compares all there is. */
  async settle(): Promise<void> {
    const { journal } = this.shard;
    journal.isFull = false;
    journal.holdsReads = false;
    const settled = Promise.all(this.#pending).then(() => true);
    this.#pending = [];
    while (!(await Promise.race([settled, turn().then(() => false)]))) {
      journal.makeRoom();
      journal.answerReads();
    }
    await this.#compare();
  }

  #run(command: Command): void {
    const { shard, model } = this;
    const nowMs = shard.clock.now();
    switch (command.kind) {
      case 'get':
        this.#read(
          [command.key],
          shard.begin('GET', bytesOf(command.key)).then((reply) => [reply]),
        );
        break;
      case 'mget':
        this.#read(
          command.keys,
          shard.begin('MGET', ...command.keys.map(bytesOf)).then((reply) => reply as Reply[]),
        );
        break;
      case 'set': {
        const value = this.#value(command.bodyBytes);
        const keepsExpiry = command.keepsExpiry && command.lifeMs === undefined;
        const expireAtMs = command.lifeMs === undefined ? undefined : nowMs + command.lifeMs;
        const modifiers: SetModifiers = { expireAtMs, keepsExpiry, condition: command.condition };
        const words = [
          ...(command.lifeMs === undefined ? [] : ['PX', command.lifeMs]),
          ...(keepsExpiry ? ['KEEPTTL'] : []),
          ...(command.condition === undefined ? [] : [command.condition]),
        ];
        const reply = shard.begin('SET', bytesOf(command.key), bytesOf(value), ...words);
        this.#write([command.key], reply, () => model.set(command.key, value, modifiers));
        break;
      }
      case 'del':
        this.#write(command.keys, shard.begin('DEL', ...command.keys.map(bytesOf)), () => model.del(command.keys));
        break;
      case 'mset': {
        const pairs = command.keys.map((name) => [name, this.#value(command.bodyBytes)] as const);
        const expireAtMs = command.lifeMs === undefined ? 0 : nowMs + command.lifeMs;
        const reply = shard.begin('MSETEX', expireAtMs, ...pairs.flat().map(bytesOf));
        this.#write(command.keys, reply, () => {
          for (const [name, value] of pairs) model.set(name, value, { expireAtMs });
          return 'OK';
        });
        break;
      }
      case 'expire': {
        const { key, lifeMs } = command;
        const reply =
          lifeMs === undefined ? shard.begin('PERSIST', bytesOf(key)) : shard.begin('PEXPIRE', bytesOf(key), lifeMs);
        this.#write([key], reply, () => model.expire(key, lifeMs === undefined ? undefined : nowMs + lifeMs));
        break;
      }
      case 'append': {
        const value = this.#value(command.bodyBytes);
        const reply = shard.begin('APPEND', bytesOf(command.key), bytesOf(value));
        this.#write([command.key], reply, () => model.append(command.key, value));
        break;
      }
      case 'exchange': {
        const value = this.#value(command.bodyBytes);
        const reply = shard.begin('SET', bytesOf(command.key), bytesOf(value), 'GET');
        this.#write([command.key], reply, () => {
          const old = model.get(command.key);
          model.set(command.key, value);
          return old;
        });
        break;
      }
      case 'get and delete':
        this.#write([command.key], shard.begin('GETDEL', bytesOf(command.key)), () => model.getAndDelete(command.key));
        break;
      case 'rename': {
        const { key: from, to, replaces } = command;
        const reply = shard.begin(replaces ? 'RENAME' : 'RENAMENX', bytesOf(from), bytesOf(to));
        this.#write([from, to], reply, () => model.rename(from, to, replaces));
        break;
      }
      case 'copy': {
        const { key: from, to } = command;
        const reply = shard.begin('COPY', bytesOf(from), bytesOf(to), 'REPLACE');
        this.#write([from, to], reply, () => model.copy(from, to));
        break;
      }
      case 'push': {
        const value = this.#value(command.bodyBytes);
        const reply = shard.begin('RPUSH', bytesOf(command.list), bytesOf(value));
        this.#write([command.list], reply, () => model.push(command.list, value));
        break;
      }
      case 'pop':
        this.#write([command.list], shard.begin('LPOP', bytesOf(command.list)), () => model.pop(command.list));
        break;
      case 'range':
        this.#read(
          [command.list],
          this.#elements(command.list).then((elements) => [elements]),
        );
        break;
      case 'expire list': {
        const reply = shard.begin('PEXPIRE', bytesOf(command.list), command.lifeMs);
        this.#write([command.list], reply, () => model.expire(command.list, nowMs + command.lifeMs));
        break;
      }
      case 'del list':
        this.#write([command.list], shard.begin('DEL', bytesOf(command.list)), () => model.del([command.list]));
        break;
      case 'put block': {
        const { digest, version } = command.block;
        const value = this.#value(command.bodyBytes);
        const reply = shard.begin('BLOCK.PUT', bytesOf(digest + version), bytesOf(`meta ${value}`), bytesOf(value));
        this.#write([], reply, () => model.putBlock(digest, digest + version, value));
        break;
      }
    }
  }

  #value(length: number): string {
    this.#values += 1;
    return length === 0 ? '' : `${this.#values}:`.padEnd(length, String.fromCharCode(0x80 + (this.#values % 128)));
  }

  #write(keys: readonly string[], reply: Promise<Reply>, applyToModel: () => unknown): void {
    const expected = applyToModel();
    const marks = keys.map((name) => ({ name, mark: { from: this.#past.get(name)!.length - 1 } }));
    for (const { name, mark } of marks) this.#unanswered.get(name)!.add(mark);
    this.#observeAll();
    this.#pending.push(
      reply.then((actual) => {
        for (const { name, mark } of marks) this.#unanswered.get(name)!.delete(mark);
        expect(plainReply(actual)).toEqual(expected);
      }),
    );
  }

  #read(keys: readonly string[], replies: Promise<Reply[]>): void {
    const from = keys.map((name) => {
      const oldest = [...this.#unanswered.get(name)!].map((mark) => mark.from);
      return Math.min(this.#past.get(name)!.length - 1, ...oldest);
    });
    this.#pending.push(
      replies.then((actual) => {
        keys.forEach((name, place) => {
          const possible = this.#past.get(name)!.slice(from[place]);
          expect(possible).toContain(plainReply(actual[place]!));
        });
      }),
    );
  }

  /** The list as the model keeps it. */
  async #elements(name: string): Promise<Buffer | null> {
    const elements = plainReply(await this.shard.begin('LRANGE', bytesOf(name), 0, -1)) as string[];
    return elements.length === 0 ? null : bytesOf(JSON.stringify(elements));
  }

  #observeAll(): void {
    for (const [name, past] of this.#past) if (past.at(-1) !== this.model.get(name)) past.push(this.model.get(name));
  }

  #move(pick: number): void {
    const live = [...this.shard.journal.live];
    if (live.length > 0) this.shard.journal.move(live[pick % live.length]!);
  }

  #lose(pick: number): void {
    const { journal, index, engine } = this.shard;
    const live = [...journal.live];
    if (live.length === 0) return;
    const entry = live[pick % live.length]!;
    const isBlock = entry.space === spaceOfBlocks;
    expect(index.find(entry.space, entry.key)).toBe(entry);
    engine.evict(entry, 'disk');
    journal.lose(entry);
    this.model.lose(entry.key, isBlock ? entry.key.slice(0, 20) : undefined);
    this.#observeAll();
  }

  async #refuseWrite(name: string): Promise<void> {
    await this.settle();
    const { shard } = this;
    shard.journal.isFull = true;
    const refused = shard.begin('SET', bytesOf(name), 'refused');
    shard.journal.makeRoom(new KvcacheError('DISKFULL', 'no space'));
    expect(plainReply(await refused)).toEqual({ error: 'DISKFULL' });
    await this.settle();
  }

  async #failReads(name: string): Promise<void> {
    await this.settle();
    const { shard } = this;
    shard.chill();
    shard.journal.readFault = new KvcacheError('BLOBDOWN', 'no connection');
    const exists = this.model.get(name) !== null;
    const get = plainReply(await shard.begin('GET', bytesOf(name)));
    const expire = plainReply(await shard.begin('PEXPIRE', bytesOf(name), 1));
    const getAndDelete = plainReply(await shard.begin('GETDEL', bytesOf(name)));
    const down = { error: 'BLOBDOWN' };
    // A change of expiry needs no value.
    expect([get, expire, getAndDelete]).toEqual(exists ? [down, 1, down] : [null, 0, null]);
    this.model.expire(name, shard.clock.now() + 1);
    shard.journal.readFault = undefined;
    await this.settle();
  }

  async #compare(): Promise<void> {
    const { shard, model } = this;
    for (const name of keyNames) {
      expect(plainReply(await shard.begin('GET', bytesOf(name)))).toBe(model.get(name));
      const expireAtMs = model.expireAtMs(name);
      expect(shard.run('PEXPIRETIME', bytesOf(name))).toBe(expireAtMs === undefined ? -2 : expireAtMs || -1);
    }
    for (const name of listNames) expect(plainReply(await this.#elements(name))).toBe(model.get(name));
    await this.#compareScan();
    for (const digest of digests) await this.#compareBlocks(digest);
    expect(shard.index.blocks).toBe(model.blocks);
    if (this.#hasJournal) {
      expect(shard.index.size).toBe(shard.journal.live.size);
      for (const entry of shard.journal.live) expect(shard.index.find(entry.space, entry.key)).toBe(entry);
    }
  }

  /** Lists have no value that a scan could show. */
  #textKeys(): string[] {
    return this.model.keys().filter((name) => !listNames.includes(name));
  }

  async #compareScan(): Promise<void> {
    const found = new Map<unknown, unknown>();
    let cursor: unknown = Buffer.alloc(0);
    do {
      const page = (await this.shard.begin('PREFIXSCAN', cursor as Buffer, '', 2, 'VALUES')) as [Buffer, Buffer[]];
      const items = page[1].map(plainReply);
      for (let place = 0; place < items.length; place += 2) found.set(items[place], items[place + 1]);
      cursor = page[0];
    } while ((cursor as Buffer).byteLength > 0);
    expect(found).toEqual(new Map(this.#textKeys().map((name) => [name, this.model.get(name)])));
  }

  async #compareBlocks(digest: string): Promise<void> {
    const versions = this.model.blockVersions(digest);
    const [reply] = plainReply(this.shard.run('BLOCK.VERSIONS', bytesOf(digest), 0)) as [string | null];
    expect(reply).toBe(versions.length === 0 ? null : versions.map((name) => name.slice(20)).join(''));
    for (const name of versions) {
      const value = this.model.block(digest, name);
      expect(plainReply(await this.shard.begin('BLOCK.GET', bytesOf(name)))).toEqual([`meta ${value}`, value]);
    }
  }
}

describe.each([true, false])('the engine, with a journal: %s', (hasJournal) => {
  it('answers as the model does through any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const history = new History(hasJournal);
        for (const each of steps) await history.do(each);
        await history.settle();
        history.shard.engine.close();
      }),
      { numRuns: hasJournal ? 1_000 : 200 },
    );
  }, 180_000);
});
