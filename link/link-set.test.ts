import { afterEach, expect, test } from 'vitest';
import { TopologyHolder } from '../topology/holder.ts';
import { topology } from '../topology/place.ts';
import { ServedShard } from '../router/testing/cluster.ts';
import { TestExecutor } from '../router/testing/test-executor.ts';
import { LinkSet } from './link-set.ts';

const shards: ServedShard[] = [];
let links: LinkSet | undefined;

afterEach(async () => {
  links?.close();
  for (const shard of shards.splice(0)) await shard.crash();
});

async function serve(name: string): Promise<ServedShard> {
  const shard = await ServedShard.start(name, new TestExecutor(name));
  shards.push(shard);
  return shard;
}

test('links follow the topology: new shards, gone shards, new addresses', async () => {
  const first = await serve('shard-0');
  const second = await serve('shard-1');
  const holder = new TopologyHolder(topology(undefined, [first.member]));
  links = new LinkSet(holder);
  expect(await links.ready(10_000)).toBe(true);
  const kept = links.get('shard-0')!;

  holder.offer(topology(holder.slots.topology, [first.member, second.member]));
  expect(await links.ready(10_000)).toBe(true);
  expect(links.get('shard-0')).toBe(kept);
  const replaced = links.get('shard-1')!;

  const elsewhere = await serve('shard-1');
  holder.offer(topology(holder.slots.topology, [first.member, elsewhere.member]));
  expect(replaced.state).toBe('closed');
  expect(await links.ready(10_000)).toBe(true);
  expect(links.get('shard-1')!.address).toBe(elsewhere.member.address);
});

test('readiness is not waited for longer than told', async () => {
  const shard = await serve('shard-0');
  await shard.crash();
  links = new LinkSet(new TopologyHolder(topology(undefined, [shard.member])));
  expect(await links.ready(1)).toBe(false);
});
