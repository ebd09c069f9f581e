/**
 * Random histories of a cluster whose slots move, against a model of every key: writes, deletes, expiries, blocks, reads,
 * scans and counts through two routers, one of which is behind, while slots move to and fro and shards lose power, lose
 * disks, are cut off from each other, learn of topologies late, are given up for lost, and come back with old disks.
 *
 * No key is lost or comes back, no answer is wrong, and in the end every slot has arrived and nothing is left over.
 *
 * KVCACHE_HISTORIES multiplies the number of histories for long runs, KVCACHE_SEED (and KVCACHE_PATH) repeats
 * one as far as timing lets it,
 * KVCACHE_SHRINK looks for a shorter one that fails too.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockKey } from '../../commands/block-key.ts';
import { type Reply, ReplyError } from '../../commands/reply.ts';
import { slotOf, slotOfBlock } from '../../topology/slot.ts';
import { KeyHistory, mayBeAbsent, mayBeThere, type Span, type Version } from './testing/key-history.ts';
import { MemoryCluster } from './testing/memory-cluster.ts';

const shardCount = 5;
const tags = Array.from({ length: 8 }, (_, number) => `{t${number}}`);
const keys = tags.flatMap((tag) => [`${tag}a`, `${tag}b`]);
const blocks = Array.from({ length: 6 }, (_, number) =>
  blockKey(Buffer.alloc(20, 7 + (number >> 1)), BigInt(number), 0n),
);
/** Every slot that a key or block is in. */
const slots = [
  ...new Set([...keys.map((key) => slotOf(Buffer.from(key))), ...blocks.map((block) => slotOfBlock(block))]),
];

/** How long a command, a shard's end or start, or the last hand-over may take before it counts as hanging. */
const patienceMs = 30_000;

// ── What happens ──────────────────────────────────────────────────────────────────────────────────────────────────

type Write =
  | { kind: 'set'; key: number; size: number; ttlMs: number; router: number }
  | { kind: 'setIfAbsent'; key: number; router: number }
  | { kind: 'delete'; key: number; router: number }
  | { kind: 'expire'; key: number; ttlMs: number; router: number }
  | { kind: 'append' | 'take' | 'copy'; key: number; router: number }
  | { kind: 'putBlock'; block: number; router: number };
type Question =
  | { kind: 'get'; key: number; router: number }
  | { kind: 'ask'; key: number; router: number }
  | { kind: 'getBlock'; block: number; router: number }
  | { kind: 'scan'; how: 'prefix' | 'values' | 'number' | 'all'; router: number }
  | { kind: 'deleteAll'; router: number }
  | { kind: 'count'; router: number };
type Event =
  | { kind: 'change'; owners: number[]; told: boolean[]; old: number }
  | { kind: 'drive' | 'abandon' | 'tell'; told: boolean[] }
  | { kind: 'flush'; level: 'disk' | 'blob' }
  | { kind: 'advance'; ms: number }
  | { kind: 'losePower'; shard: number; tornBytes: number }
  | { kind: 'stop' | 'loseDisk' | 'remove' | 'maintain' | 'roll'; shard: number }
  | { kind: 'start'; shard: number; old: number }
  | { kind: 'cut'; from: number; to: number }
  | { kind: 'heal' }
  | { kind: 'silence'; isSilent: boolean }
  | { kind: 'slow'; isSlow: boolean }
  | { kind: 'settle' };
type Step = { event: Event | undefined; with: (Write | Question)[] };

const key = fc.nat(keys.length - 1);
const block = fc.nat(blocks.length - 1);
const shard = fc.nat(shardCount - 1);
const router = fc.constantFrom(0, 0, 0, 0, 1);
const ttlMs = fc.constantFrom(0, 0, 0, 50, 5_000);
const told = fc.array(fc.constantFrom(true, true, true, false), {
  minLength: shardCount + 1,
  maxLength: shardCount + 1,
});
const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), key, size: fc.nat(1500), ttlMs, router }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('setIfAbsent' as const), key, router }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key, router }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), key, ttlMs, router }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('append' as const, 'take' as const, 'copy' as const), key, router }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('putBlock' as const), block, router }) },
);
const question: fc.Arbitrary<Question> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), key, router }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const), key, router }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('getBlock' as const), block, router }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      how: fc.constantFrom('prefix' as const, 'values' as const, 'number' as const, 'all' as const),
      router,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('count' as const), router }) },
);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      owners: fc.array(fc.nat(shardCount + 2), { minLength: slots.length, maxLength: slots.length }),
      told,
      old: fc.nat(5),
    }),
  },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('drive' as const), told }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tell' as const), told }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abandon' as const), told }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('flush' as const), level: fc.constantFrom('disk', 'blob') }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 10, max: 6_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('losePower' as const),
      shard,
      tornBytes: fc.constantFrom(0, 0, 100, 700),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('stop', 'loseDisk', 'remove', 'maintain', 'roll'),
      shard,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('start' as const), shard, old: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), from: fc.nat(shardCount + 1), to: shard }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('heal' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('silence' as const), isSilent: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('slow' as const), isSlow: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
) as fc.Arbitrary<Event>;
const step: fc.Arbitrary<Step> = fc.record({
  event: fc.option(event, { nil: undefined }),
  with: fc.array(
    fc.oneof(
      { weight: 30, arbitrary: write },
      { weight: 20, arbitrary: question },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteAll' as const), router }) },
    ),
    { maxLength: 8 },
  ),
});

// ── What must hold ────────────────────────────────────────────────────────────────────────────────────────────────

/** Commands about all keys. */
const ofAllKeys: ReadonlySet<string> = new Set(['scan', 'count', 'deleteAll']);

/** Faults that a command may meet while shards are away or slots move. */
const passing: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'TRYAGAIN',
  'TIMEOUT',
  'SHUTDOWN',
  'FENCED',
  'BLOBDOWN',
  'DISKFULL',
  'BLOBFULL',
]);

interface Circumstances {
  readonly ballast: number;
  readonly hasBlob: boolean;
  /** Without Blob a disk so small that keys are evicted; with it, one that keeps few segments. */
  readonly hasTinyDisk: boolean;
}

class History {
  readonly #cluster: MemoryCluster;
  readonly #circumstances: Circumstances;
  readonly #keys = keys.map((name) => new KeyHistory(name));
  readonly #blocks = blocks.map((_, number) => new KeyHistory(`block ${number}`));
  readonly #log: string[] = [];
  #counter = 0;
  #isSilent = false;
  #mayFail = true;

  constructor(circumstances: Circumstances) {
    this.#circumstances = circumstances;
    this.#cluster = new MemoryCluster({
      shardCount,
      ...circumstances,
      diskBytes: circumstances.hasTinyDisk ? 40_000 : undefined,
      log: (message) => this.#note(message),
    });
  }

  async run(steps: readonly Step[]): Promise<void> {
    try {
      this.#cluster.isSlow = true;
      await this.#cluster.start(this.#circumstances.ballast);
      for (const [at, item] of steps.entries()) {
        this.#note(`step ${at} ${JSON.stringify(item)}`);
        await this.#perform(item);
      }
      await this.#end();
    } catch (error) {
      const story = [
        ...this.#log.slice(-60),
        ...this.#cluster.published.map((each) => JSON.stringify(each.slots)),
      ].join('\n');
      throw new Error(`${error instanceof Error ? error.stack : String(error)}\n${story}`, { cause: error });
    } finally {
      await this.#patiently('close', this.#cluster.close());
    }
  }

  /** The event and the commands beside it, all at once; commands of keys with one tag one after the other. */
  async #perform({ event: happens, with: commands }: Step): Promise<void> {
    const lanes = Map.groupBy(commands, (command) =>
      'key' in command ? `tag ${command.key >> 1}` : 'block' in command ? `block ${command.block}` : command.kind,
    );
    // What is about all keys is alone with the event: nothing is written meanwhile.
    const all = [...lanes].filter(([lane]) => ofAllKeys.has(lane)).flatMap(([, list]) => list);
    const single = [...lanes].filter(([lane]) => !ofAllKeys.has(lane));
    const working = single.map(async ([, list]) => {
      for (const command of list) await this.#patiently(JSON.stringify(command), this.#command(command));
    });
    const eventful = happens === undefined ? undefined : this.#patiently(happens.kind, this.#event(happens));
    const results = await Promise.allSettled([...working, eventful]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    // Also what was acknowledged beside the event may be gone with it.
    if (happens?.kind === 'losePower') this.#fellBack(happens.shard, 'disk');
    for (const command of all) await this.#patiently(JSON.stringify(command), this.#command(command));
  }

  // ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #command(command: Write | Question): Promise<void> {
    switch (command.kind) {
      case 'set':
        return this.#set(command);
      case 'setIfAbsent':
        return this.#setIfAbsent(command);
      case 'delete':
        return this.#delete(command);
      case 'expire':
        return this.#expire(command);
      case 'append':
        return this.#append(command);
      case 'take':
        return this.#take(command);
      case 'copy':
        return this.#copy(command);
      case 'putBlock':
        return this.#putBlock(command);
      case 'get':
        return this.#get(command);
      case 'ask':
        return this.#ask(command);
      case 'getBlock':
        return this.#getBlock(command);
      case 'scan':
        return this.#scan(command);
      case 'count':
        return this.#count(command);
      case 'deleteAll':
        return this.#deleteAll(command);
    }
  }

  async #set({ key: number, size, ttlMs: lifeMs, router: by }: Extract<Write, { kind: 'set' }>): Promise<void> {
    const history = this.#keys[number]!;
    const value = this.#value(history.name, size);
    const expireAtMs = lifeMs === 0 ? 0 : this.#cluster.clock.now() + lifeMs;
    const args = ['SET', history.name, value, ...(expireAtMs === 0 ? [] : ['PXAT', String(expireAtMs)])];
    const { reply } = await this.#do(by, args);
    this.#written(history, reply, history.set(value, expireAtMs));
  }

  async #setIfAbsent({ key: number, router: by }: Extract<Write, { kind: 'setIfAbsent' }>): Promise<void> {
    const history = this.#keys[number]!;
    const value = this.#value(history.name, 100);
    const { reply, span } = await this.#do(by, ['SET', history.name, value, 'NX']);
    if (reply === null) return history.glimpsed('SET NX found it', span, (version) => mayBeThere(version, span));
    if (reply === 'OK') this.#sawAbsent(history, 'SET NX found it absent', span);
    this.#written(history, reply, history.set(value));
  }

  async #delete({ key: number, router: by }: Extract<Write, { kind: 'delete' }>): Promise<void> {
    const history = this.#keys[number]!;
    const { reply, span } = await this.#do(by, ['DEL', history.name]);
    if (reply === 1) history.glimpsed('DEL found it', span, (version) => mayBeThere(version, span));
    if (reply === 0) this.#sawAbsent(history, 'DEL found it absent', span);
    this.#written(history, reply, history.set(undefined));
  }

  async #expire({ key: number, ttlMs: lifeMs, router: by }: Extract<Write, { kind: 'expire' }>): Promise<void> {
    const history = this.#keys[number]!;
    const expireAtMs = this.#cluster.clock.now() + lifeMs;
    const args = lifeMs === 0 ? ['PERSIST', history.name] : ['PEXPIREAT', history.name, String(expireAtMs)];
    const { reply, span } = await this.#do(by, args);
    const kept = (version: Version): Version => ({ ...version, expireAtMs: lifeMs === 0 ? 0 : expireAtMs });
    if (reply === 1) history.saw(`${args[0]} found it`, span, (version) => mayBeThere(version, span));
    else if (reply === 0 && lifeMs !== 0) return this.#sawAbsent(history, `${args[0]} found it absent`, span);
    else if (reply === 0) return;
    this.#written(history, reply, (version) => (mayBeThere(version, span) ? kept(version) : version));
  }

  /** Reads before it writes: what was there must be in the answer, wherever it was. */
  async #append({ key: number, router: by }: Extract<Write, { kind: 'append' | 'take' | 'copy' }>): Promise<void> {
    const history = this.#keys[number]!;
    const more = `+${this.#counter++}`;
    const { reply, span } = await this.#do(by, ['APPEND', history.name, more]);
    const longer = (version: Version): Version => ({ ...version, value: `${version.value}${more}` });
    if (typeof reply !== 'number') {
      if (reply instanceof ReplyError && reply.code === 'TRYAGAIN') return;
      const before = history.possible;
      const found = before.filter((version) => mayBeThere(version, span)).map(longer);
      const isNew = before.some((version) => mayBeAbsent(version, span));
      history.becameOneOf([...found, ...(isNew ? [{ value: more, expireAtMs: 0 }] : [])], false);
      return;
    }
    if (reply === more.length) {
      this.#sawAbsent(history, 'APPEND found it absent', span);
      history.wrote(history.set(more));
      return;
    }
    const fits = (version: Version): boolean => mayBeThere(version, span) && longer(version).value!.length === reply;
    history.saw(`APPEND answered ${reply}`, span, fits);
    history.wrote(longer);
  }

  async #take({ key: number, router: by }: Extract<Write, { kind: 'append' | 'take' | 'copy' }>): Promise<void> {
    const history = this.#keys[number]!;
    const { reply, span } = await this.#do(by, ['GETDEL', history.name]);
    if (reply === null) return this.#sawAbsent(history, 'GETDEL answered nothing', span);
    if (Buffer.isBuffer(reply)) this.#sawValue(history, 'GETDEL', reply.toString(), span);
    this.#written(history, reply, history.set(undefined));
  }

  /** To the other key of the tag. */
  async #copy({ key: number, router: by }: Extract<Write, { kind: 'append' | 'take' | 'copy' }>): Promise<void> {
    const from = this.#keys[number]!;
    const to = this.#keys[number ^ 1]!;
    const { reply, span } = await this.#do(by, ['COPY', from.name, to.name, 'REPLACE']);
    if (reply === 0) return this.#sawAbsent(from, 'COPY found it absent', span);
    if (reply === 1) from.saw('COPY found it', span, (version) => mayBeThere(version, span));
    else if (reply instanceof ReplyError && reply.code === 'TRYAGAIN') return;
    const copies = from.possible.filter((version) => mayBeThere(version, span));
    if (copies.length > 0) to.becameOneOf(copies, reply === 1);
  }

  async #putBlock({ block: number, router: by }: Extract<Write, { kind: 'putBlock' }>): Promise<void> {
    const history = this.#blocks[number]!;
    const { reply } = await this.#do(by, ['BLOCK.PUT', blocks[number]!, `meta ${number}`, bodyOf(number)]);
    this.#written(history, reply, history.set(bodyOf(number)));
  }

  async #get({ key: number, router: by }: Extract<Question, { kind: 'get' }>): Promise<void> {
    const history = this.#keys[number]!;
    const { reply, span } = await this.#do(by, ['GET', history.name]);
    if (reply === null) this.#sawAbsent(history, 'GET answered nothing', span);
    else if (Buffer.isBuffer(reply)) this.#sawValue(history, 'GET', reply.toString(), span);
  }

  async #ask({ key: number, router: by }: Extract<Question, { kind: 'ask' }>): Promise<void> {
    const history = this.#keys[number]!;
    const { reply, span } = await this.#do(by, ['PEXPIRETIME', history.name]);
    if (reply === -2) return this.#sawAbsent(history, 'PEXPIRETIME answered -2', span);
    if (typeof reply !== 'number') return;
    const fits = (version: Version): boolean => mayBeThere(version, span) && version.expireAtMs === Math.max(0, reply);
    history.glimpsed(`PEXPIRETIME answered ${reply}`, span, fits);
  }

  async #getBlock({ block: number, router: by }: Extract<Question, { kind: 'getBlock' }>): Promise<void> {
    const history = this.#blocks[number]!;
    const { reply, span } = await this.#do(by, ['BLOCK.GET', blocks[number]!]);
    if (reply === null) return this.#sawAbsent(history, 'BLOCK.GET answered nothing', span);
    if (!Array.isArray(reply)) return;
    const [meta, body] = reply as [Buffer, Buffer];
    expect(meta.toString()).toBe(`meta ${number}`);
    this.#sawValue(history, 'BLOCK.GET', body.toString(), span);
  }

  async #scan({ how, router: by }: Extract<Question, { kind: 'scan' }>): Promise<void> {
    const withValues = how === 'values';
    const found = new Map<string, string | undefined>();
    const fromMs = this.#cluster.clock.now();
    let cursor: Buffer = Buffer.from(how === 'number' ? '0' : '');
    do {
      const page = await this.#page(how, cursor, by);
      if (page === undefined) return;
      for (let at = 0; at < page.items.length; at += withValues ? 2 : 1) {
        const name = page.items[at]!.toString();
        if (found.has(name)) throw new Error(`${how} scan showed ${name} twice`);
        found.set(name, withValues ? page.items[at + 1]!.toString() : undefined);
      }
      cursor = page.next;
    } while (cursor.byteLength > 0 && cursor.toString() !== '0');
    const span = { fromMs, toMs: this.#cluster.clock.now() };
    for (const history of this.#keys) {
      if (!found.has(history.name)) this.#sawAbsent(history, 'PREFIXSCAN did not show it', span);
      else if (withValues) this.#sawValue(history, 'PREFIXSCAN', found.get(history.name)!, span);
      else history.glimpsed('PREFIXSCAN showed it', span, (version) => mayBeThere(version, span));
      found.delete(history.name);
    }
    expect([...found.keys()]).toEqual([]);
  }

  /** A page of a scan; undefined if it failed. */
  async #page(
    how: Extract<Question, { kind: 'scan' }>['how'],
    cursor: Buffer,
    by: number,
  ): Promise<{ next: Buffer; items: Buffer[] } | undefined> {
    const command = {
      prefix: ['PREFIXSCAN', cursor, '', '3', 'KEYS'],
      values: ['PREFIXSCAN', cursor, '', '3', 'VALUES'],
      number: ['SCAN', cursor, 'MATCH', '*', 'COUNT', '3'],
      all: ['KEYS', '*'],
    }[how];
    const { reply } = await this.#do(by, command);
    if (!Array.isArray(reply)) return undefined;
    if (how === 'all') return { next: Buffer.alloc(0), items: reply as Buffer[] };
    const [next, items] = reply as [Buffer, Buffer[]];
    return { next, items };
  }

  /** FLUSHALL takes every key, also those on their way between shards, and no block. */
  async #deleteAll({ router: by }: Extract<Question, { kind: 'deleteAll' }>): Promise<void> {
    const { reply } = await this.#do(by, ['FLUSHALL']);
    for (const history of this.#keys) {
      if (reply === 'OK') history.wrote(history.set(undefined));
      else history.mayHaveWritten(history.set(undefined));
    }
  }

  async #count({ router: by }: Extract<Question, { kind: 'count' }>): Promise<void> {
    const { reply, span } = await this.#do(by, ['DBSIZE']);
    if (typeof reply !== 'number') return;
    const certain = this.#keys.filter(({ possible }) => possible.every((version) => !mayBeAbsent(version, span)));
    // What has expired is counted until its time comes in the wheel.
    const thinkable = this.#keys.filter(({ possible }) => possible.some(({ value }) => value !== undefined));
    const lowest = this.#evicts ? 0 : certain.length;
    if (reply < lowest || reply > thinkable.length) {
      throw new Error(`DBSIZE answered ${reply}, not ${lowest} to ${thinkable.length}`);
    }
  }

  async #do(by: number, args: readonly (string | Buffer)[]): Promise<{ reply: Reply; span: Span }> {
    const fromMs = this.#cluster.clock.now();
    const reply = await this.#cluster.do(by, args);
    const span = { fromMs, toMs: this.#cluster.clock.now() };
    if (reply instanceof ReplyError) {
      this.#note(`${args.slice(0, 2).map(String).join(' ').slice(0, 40)} → ${reply.code} ${reply.message}`);
      if (!this.#mayFail || !passing.has(reply.code))
        throw new Error(`${String(args[0])}: ${reply.code} ${reply.message}`);
    }
    return { reply, span };
  }

  #written(history: KeyHistory, reply: Reply, after: (before: Version) => Version): void {
    if (!(reply instanceof ReplyError)) history.wrote(after);
    else if (reply.code !== 'TRYAGAIN') history.mayHaveWritten(after);
  }

  #sawValue(history: KeyHistory, what: string, value: string, span: Span): void {
    const fits = (version: Version): boolean => version.value === value && mayBeThere(version, span);
    history.saw(`${what} answered ${value.slice(0, 24)}`, span, fits);
  }

  #sawAbsent(history: KeyHistory, what: string, span: Span): void {
    if (this.#evicts && !history.possible.some((version) => mayBeAbsent(version, span)))
      history.wrote(history.set(undefined));
    history.saw(what, span, (version) => mayBeAbsent(version, span));
  }

  get #evicts(): boolean {
    return this.#circumstances.hasTinyDisk && !this.#circumstances.hasBlob;
  }

  #value(name: string, size: number): string {
    return `${name}:${this.#counter++}:`.padEnd(size, '.');
  }

  // ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #event(happens: Event): Promise<void> {
    const cluster = this.#cluster;
    switch (happens.kind) {
      case 'change':
        return this.#change(happens);
      case 'drive':
        cluster.drive((place) => happens.told[place]!);
        return;
      case 'tell':
        cluster.tell((place) => happens.told[place]!);
        return;
      case 'abandon':
        return this.#abandon(happens.told);
      case 'flush':
        return this.#flush(happens.level);
      case 'advance':
        cluster.advance(happens.ms);
        return;
      case 'losePower':
        await cluster.losePower(happens.shard, happens.tornBytes);
        return;
      case 'stop':
        if (!this.#isSilent) await cluster.stop(happens.shard);
        return;
      case 'loseDisk':
        return this.#loseDisk(happens.shard);
      case 'remove':
        if (cluster.removable().includes(happens.shard)) await cluster.losePower(happens.shard);
        return;
      case 'maintain':
        if (!this.#isSilent) await this.#running(happens.shard)?.storage.maintain().catch(ignoreFull);
        return;
      case 'roll':
        await this.#running(happens.shard)?.storage.log.roll();
        return;
      case 'start':
        if (!this.#isSilent) await cluster.start(happens.shard, this.#published(happens.old));
        return;
      case 'cut':
        cluster.network.cut(nodeName(happens.from), cluster.shards[happens.to]!.address);
        return;
      case 'heal':
        cluster.network.heal();
        return;
      case 'silence':
        this.#isSilent = happens.isSilent && this.#circumstances.hasBlob;
        cluster.silenceBlob(this.#isSilent);
        return;
      case 'slow':
        cluster.isSlow = happens.isSlow;
        return;
      case 'settle':
        cluster.isSlow = false;
        await this.#driven(500);
        return;
    }
  }

  /** Owners beyond the last shard leave the slot where it is. */
  async #change({ owners, told: tells, old }: Extract<Event, { kind: 'change' }>): Promise<void> {
    const cluster = this.#cluster;
    const names = new Map<number, string>();
    for (const [at, owner] of owners.entries()) {
      if (owner < shardCount) names.set(slots[at]!, cluster.shards[owner]!.name);
    }
    const isNeeded = new Set(names.values());
    for (const [number, { name }] of cluster.shards.entries()) {
      if (isNeeded.has(name) && !this.#isSilent) await cluster.start(number, this.#published(old));
    }
    cluster.change(names, (place) => tells[place]!);
  }

  /** Sources that do not run are given up. */
  async #abandon(tells: readonly boolean[]): Promise<void> {
    const cluster = this.#cluster;
    const lost = new Set(
      cluster.shards.filter((_, number) => cluster.running[number] === undefined).map(({ name }) => name),
    );
    const gone = cluster.topology.slots.filter(({ source }) => source !== undefined && lost.has(source));
    if (!cluster.abandon(lost, (place) => tells[place]!)) return;
    for (const { history, slot } of this.#all()) {
      if (gone.some(({ from, to }) => from <= slot && slot <= to)) history.mayBeGone();
    }
  }

  async #flush(level: 'disk' | 'blob'): Promise<void> {
    if (level === 'blob' && (!this.#circumstances.hasBlob || this.#isSilent)) return;
    const before = this.#all().map(({ history }) => history.snapshot());
    const { reply } = await this.#do(0, ['FLUSH', level]);
    if (reply !== 'OK') return;
    for (const [at, { history }] of this.#all().entries()) history.flushed(level, before[at]!);
  }

  async #loseDisk(number: number): Promise<void> {
    if (!this.#circumstances.hasBlob || this.#isSilent) return;
    await this.#cluster.losePower(number);
    this.#fellBack(number, 'disk');
    this.#cluster.loseDisk(number);
    this.#fellBack(number, 'blob');
    await this.#cluster.start(number);
  }

  #fellBack(number: number, level: 'disk' | 'blob'): void {
    const { name } = this.#cluster.shards[number]!;
    for (const { history, slot } of this.#all()) {
      const { shards: owners, source } = this.#cluster.runOf(slot);
      if (owners[0] === name || source === name) history.fellBack(level);
    }
  }

  #all(): { history: KeyHistory; slot: number }[] {
    return [
      ...this.#keys.map((history, number) => ({ history, slot: slotOf(Buffer.from(keys[number]!)) })),
      ...this.#blocks.map((history, number) => ({ history, slot: slotOfBlock(blocks[number]!) })),
    ];
  }

  #running(number: number) {
    return this.#cluster.running[number];
  }

  #published(old: number) {
    return this.#cluster.published.at(-1 - old) ?? this.#cluster.published[0]!;
  }

  // ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everything works again: soon all slots have arrived, and every key is what it must be, now and after restarts. */
  async #end(): Promise<void> {
    const cluster = this.#cluster;
    this.#note('the end');
    this.#isSilent = false;
    cluster.silenceBlob(false);
    cluster.network.heal();
    cluster.isSlow = false;
    for (const number of cluster.shards.keys()) await this.#patiently('start', cluster.start(number));
    cluster.tell(() => true);
    if (!(await this.#driven(patienceMs))) throw new Error(`never done: ${JSON.stringify(cluster.drive(() => true))}`);
    this.#mayFail = this.#circumstances.hasTinyDisk;
    await this.#checkAll();
    await this.#expectNothingLeft();
    for (const number of cluster.shards.keys()) {
      await this.#patiently('stop', cluster.stop(number));
      await this.#patiently('start', cluster.start(number));
    }
    await this.#checkAll();
  }

  async #checkAll(): Promise<void> {
    for (const by of [0, 1]) {
      for (const number of keys.keys()) await this.#get({ kind: 'get', key: number, router: by });
      for (const number of keys.keys()) await this.#ask({ kind: 'ask', key: number, router: by });
      for (const number of blocks.keys()) await this.#getBlock({ kind: 'getBlock', block: number, router: by });
      await this.#scan({ kind: 'scan', how: 'values', router: by });
      await this.#scan({ kind: 'scan', how: 'number', router: by });
      await this.#count({ kind: 'count', router: by });
    }
  }

  async #expectNothingLeft(): Promise<void> {
    for (const shardLeft of this.#cluster.running) {
      const { name, storage, states, index } = shardLeft!;
      const left = (): number[] => slots.filter((slot) => !states.serves(slot) && !index.isEmptySlot(slot));
      const giveUpAtMs = performance.now() + 5_000;
      while (left().length > 0) {
        if (performance.now() > giveUpAtMs) throw new Error(`${name} keeps keys of slots ${left().join()}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect([name, storage.log.live.away]).toEqual([name, { count: 0, bytes: 0 }]);
      expect([name, slots.filter((slot) => index.markOf(slot) !== undefined)]).toEqual([name, []]);
    }
  }

  /** Publishes until nothing moves; false if that takes too long. */
  async #driven(withinMs: number): Promise<boolean> {
    const giveUpAtMs = performance.now() + withinMs;
    while (performance.now() < giveUpAtMs) {
      if (this.#cluster.drive(() => true).kind === 'steady') return true;
      this.#cluster.tell(() => true);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return false;
  }

  async #patiently<Result>(what: string, work: Promise<Result>): Promise<Result> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`${what} hangs`)), patienceMs);
    try {
      return await Promise.race([work, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #note(line: string): void {
    this.#log.push(`${this.#cluster?.clock.now() ?? 0} ${line}`);
  }
}

function bodyOf(block: number): string {
  return `body ${block} `.padEnd(200 + 100 * block, 'x');
}

function nodeName(number: number): string {
  return number < shardCount ? `shard-${number}` : `router-${number - shardCount}`;
}

function ignoreFull(error: unknown): void {
  const code = (error as { code?: string }).code;
  if (code !== 'DISKFULL' && code !== 'FENCED' && code !== 'SHUTDOWN' && code !== 'BLOBDOWN') throw error;
}

const factor = Number(process.env['KVCACHE_HISTORIES'] ?? 1);
const seed = process.env['KVCACHE_SEED'];
const path = process.env['KVCACHE_PATH'];

test.concurrent.each<[string, number, Omit<Circumstances, 'ballast'>]>([
  ['on disks alone', 6, { hasBlob: false, hasTinyDisk: false }],
  ['over a Blob tier', 6, { hasBlob: true, hasTinyDisk: false }],
  ['on disks so small that keys are evicted', 3, { hasBlob: false, hasTinyDisk: true }],
  ['over a Blob tier, with disks that keep few segments', 3, { hasBlob: true, hasTinyDisk: true }],
])(
  'slots that move lose nothing and bring nothing back, %s',
  async (_, runs, circumstances) => {
    const property = fc.asyncProperty(
      fc.nat(shardCount - 1),
      fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }),
      (ballast, steps) => new History({ ballast, ...circumstances }).run(steps),
    );
    await fc.assert(property, {
      numRuns: runs * factor,
      ...(seed !== undefined && { seed: Number(seed) }),
      ...(path !== undefined && { path }),
      endOnFailure: process.env['KVCACHE_SHRINK'] === undefined,
    });
  },
  300_000 * factor,
);
