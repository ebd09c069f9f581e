import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { type Executor, libraryContext, type ReplySink } from '../commands/command.ts';
import { type Reply, ReplyError } from '../commands/reply.ts';
import { addStorageGauges, KvMetrics, MeasuredExecutor } from './measured-executor.ts';

function measured(answer: (name: string) => Reply | Promise<Reply>): {
  registry: Registry;
  run: (name: string, ...args: string[]) => Reply | Promise<Reply>;
} {
  const registry = new Registry();
  const inner = { execute: ({ name }: { name: string }) => answer(name) };
  const executor = new MeasuredExecutor(inner, new KvMetrics(registry));
  const run = (name: string, ...args: string[]): Reply | Promise<Reply> =>
    executor.execute({ name, args: args.map((text) => Buffer.from(text)) }, libraryContext(1_000));
  return { registry, run };
}

describe('a measured executor', () => {
  it('counts and times every kind of command under its documented names', async () => {
    const { registry, run } = measured(() => 'OK');
    const commands: [string, string, ...string[]][] = [
      ['set', 'SET', 'k', 'v'],
      ['get', 'GET', 'k'],
      ['set', 'INCR', 'k'],
      ['set', 'HSET', 'h', 'f', 'v'],
      ['set', 'VALUE.INCR', 'k', '1'],
      ['get', 'GETEX', 'k'],
      ['get', 'LRANGE', 'l', '0', '1'],
      ['delete', 'DEL', 'k'],
      ['delete', 'VERSION.DEL', 'k', 'clock'],
      ['mdelete', 'DEL', 'a', 'b'],
      ['mdelete', 'UNLINK', 'a', 'b'],
      ['mset', 'MSET', 'a', '1'],
      ['mset', 'MSETEX', '5', 'a', '1'],
      ['mget', 'MGET', 'a'],
      ['scan', 'PREFIXSCAN', '', '', '10', 'KEYS'],
      ['block_lookup', 'BLOCK.VERSIONS', 'd', '0'],
      ['block_read', 'BLOCK.GET', 'k'],
      ['block_write', 'BLOCK.PUT', 'k', 'm', 'b'],
      ['other', 'EXISTS', 'k'],
      ['other', 'SINTER', 'a', 'b'],
      ['other', 'DBSIZE'],
    ];
    for (const [, name, ...args] of commands) expect(run(name, ...args)).toBe('OK');
    const text = await registry.metrics();
    for (const [kind] of commands) {
      const calls = commands.filter(([other]) => other === kind).length;
      expect(text).toContain(`\nkv_${kind}s_total ${calls}\n`);
      expect(text).toContain(`\nkv_${kind}_errors_total 0\n`);
      expect(text).toContain(`\nkv_${kind}_latency_seconds_count ${calls}\n`);
      expect(text).toContain(`kv_${kind}_latency_seconds_bucket{le="+Inf"} ${calls}\n`);
    }
    expect(text).toContain('# TYPE kv_get_latency_seconds histogram');
    expect(text).toContain('# TYPE kv_gets_total counter');
    expect(await registry.metrics()).toBe(text);
  });

  it('leaves what is answered at once at once, and waits for the rest', async () => {
    const late = Promise.withResolvers<Reply>();
    const { registry, run } = measured((name) => (name === 'GET' ? late.promise : null));
    expect(run('EXISTS', 'k')).toBeNull();
    const reply = run('GET', 'k');
    expect(reply).toBeInstanceOf(Promise);
    expect(await registry.metrics()).toContain('\nkv_gets_total 0\n');
    late.resolve(new ReplyError('UNAVAILABLE', 'away'));
    expect(await reply).toBeInstanceOf(ReplyError);
    const text = await registry.metrics();
    expect(text).toContain('\nkv_gets_total 1\n');
    expect(text).toContain('\nkv_get_errors_total 1\n');
  });

  it('counts every one of many in a millisecond, of which it times some', async () => {
    const { registry, run } = measured(() => null);
    for (let count = 0; count < 1_000; count++) void run('GET', 'k');
    const text = await registry.metrics();
    expect(text).toContain('\nkv_gets_total 1000\n');
    expect(text).toContain('\nkv_get_latency_seconds_count 1000\n');
    expect(text).toContain('kv_get_latency_seconds_bucket{le="+Inf"} 1000\n');
  });

  it('hands on what is answered later without a promise, and counts it when it is', async () => {
    const registry = new Registry();
    const sinks: ReplySink[] = [];
    const inner: Executor = { execute: () => null, submit: (_, __, sink) => void sinks.push(sink) };
    const executor = new MeasuredExecutor(inner, new KvMetrics(registry));
    const replies: [number, Reply][] = [];
    const sink: ReplySink = { reply: (token, reply) => void replies.push([token, reply]) };
    for (const token of [7, 8]) {
      executor.submit!({ name: 'GET', args: [Buffer.from('k')] }, libraryContext(1_000), sink, token);
    }
    sinks[1]!.reply(8, new ReplyError('UNAVAILABLE', 'away'));
    expect(await registry.metrics()).toContain('\nkv_gets_total 1\n');
    sinks[0]!.reply(7, 'value');
    expect(replies.map(([token]) => token)).toEqual([8, 7]);
    const text = await registry.metrics();
    expect(text).toContain('\nkv_gets_total 2\n');
    expect(text).toContain('\nkv_get_errors_total 1\n');
  });

  it('answers later only where the one that it measures does', () => {
    const executor = new MeasuredExecutor({ execute: () => null }, new KvMetrics(new Registry()));
    expect(executor.submit).toBeUndefined();
  });

  it('does not take a miss for an error', async () => {
    const { registry, run } = measured(() => null);
    expect(run('GET', 'k')).toBeNull();
    expect(await registry.metrics()).toContain('\nkv_get_errors_total 0\n');
  });

  it('counts health checks and changes of settings', async () => {
    const registry = new Registry();
    const metrics = new KvMetrics(registry);
    metrics.healthChecked(0.000_2);
    metrics.configUpdated();
    const text = await registry.metrics();
    expect(text).toContain('\nkv_health_checks_total 1\n');
    expect(text).toContain('\nkv_health_check_latency_seconds_sum 0.0002\n');
    expect(text).toContain('kv_health_check_latency_seconds_bucket{le="0.0001"} 0\n');
    expect(text).toContain('kv_health_check_latency_seconds_bucket{le="0.00025"} 1\n');
    expect(text).toContain('\nkv_config_updates_total 1\n');
  });
});

describe('the gauges of storage', () => {
  const shard = (keys: number): Buffer =>
    Buffer.from(JSON.stringify({ keys, hot: { bytes: 10 }, index: { bytes: 5 }, disk: { bytes: 100 } }));

  it('add up all shards with one question, those that are away left out', async () => {
    let asked = 0;
    const registry = new Registry();
    addStorageGauges(registry, {
      execute: () => {
        asked++;
        return [shard(3), new ReplyError('UNAVAILABLE', 'away'), shard(4)];
      },
    });
    const text = await registry.metrics();
    expect(text).toContain('\nkv_keys_current 7\n');
    expect(text).toContain('\nstorage_memory_usage_bytes 30\n');
    expect(text).toContain('\nstorage_disk_usage_bytes 200\n');
    expect(asked).toBe(1);
  });

  it('show a single shard too', async () => {
    const registry = new Registry();
    addStorageGauges(registry, { execute: () => shard(9) });
    expect(await registry.metrics()).toContain('\nkv_keys_current 9\n');
  });
});
