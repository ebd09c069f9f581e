/** What is left of prompts in a RAM that is too small for them: their beginnings, and what is asked for again. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { blockDigestBytes, blockKey } from '../../commands/block-key.ts';
import { TestShard } from '../../testing/engine-shard.ts';
import { slotOfBlock } from '../../topology/slot.ts';
import { nameOf } from './key-hash.ts';

const blockBytes = 100_000;
const body = Buffer.alloc(blockBytes);

class PromptShard {
  readonly shard: TestShard;

  constructor(blocks: number) {
    this.shard = new TestShard({ withJournal: false, hotBytes: blocks * (blockBytes + 1_500) });
  }

  /** As a model server asks for a prompt: it looks up all blocks, reads what is there and writes what is not. */
  serve(prompt: string, blocks: number): number {
    const places = Array.from({ length: blocks }, (_, place) => place);
    this.shard.run('BLOCK.VERSIONS', ...places.flatMap((place) => [digestOf(prompt, place), place]));
    let hits = 0;
    for (const place of places) {
      const key = keyOf(prompt, place);
      if (this.shard.run('BLOCK.GET', key) === null) this.shard.run('BLOCK.PUT', key, '', body);
      else hits += 1;
    }
    return hits;
  }

  /** Places of the prompt's blocks that are there. No use of them. */
  heldOf(prompt: string, blocks: number): number[] {
    const places = Array.from({ length: blocks }, (_, place) => place);
    return places.filter(
      (place) =>
        this.shard.index.versions(slotOfBlock(digestOf(prompt, place)), nameOf(digestOf(prompt, place))).length > 0,
    );
  }
}

function digestOf(prompt: string, place: number): Buffer {
  return createHash('sha256').update(`${prompt}:${place}`).digest().subarray(0, blockDigestBytes);
}

function keyOf(prompt: string, place: number): Buffer {
  return blockKey(digestOf(prompt, place), BigInt(place + 1), BigInt(place));
}

describe('prompts in a RAM that is too small for them', () => {
  it('keep their beginnings, whether they were written or read', () => {
    const server = new PromptShard(30);
    server.serve('a', 20);
    server.serve('b', 15);
    // Five had to go, those at the end of the older prompt.
    expect(server.heldOf('a', 20)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(server.heldOf('b', 15)).toHaveLength(15);
    expect(server.serve('a', 15)).toBe(15);
    server.serve('c', 25);
    const held = server.heldOf('a', 15);
    expect(held).toEqual(held.map((_, place) => place));
    expect(held.length).toBeGreaterThan(0);
  });

  it('stay through any number of prompts that nobody asks for again', () => {
    const server = new PromptShard(40);
    server.serve('asked again', 15);
    expect(server.serve('asked again', 15)).toBe(15);
    for (let prompt = 0; prompt < 30; prompt++) server.serve(`once ${prompt}`, 10);
    expect(server.serve('asked again', 15)).toBe(15);
  });

  it('count as asked for again when they come back after they had been dropped', () => {
    const server = new PromptShard(40);
    server.serve('back', 15);
    for (let prompt = 0; prompt < 10; prompt++) server.serve(`once ${prompt}`, 10);
    expect(server.serve('back', 15)).toBe(0);
    for (let prompt = 10; prompt < 20; prompt++) server.serve(`once ${prompt}`, 10);
    expect(server.serve('back', 15)).toBe(15);
  });

  it('count a write of what is there as a use', () => {
    const server = new PromptShard(20);
    for (const prompt of ['a', 'b']) server.shard.run('BLOCK.PUT', keyOf(prompt, 0), '', body);
    server.shard.run('BLOCK.PUT', keyOf('a', 0), '', body);
    server.serve('other', 19);
    expect([server.heldOf('a', 1), server.heldOf('b', 1)]).toEqual([[0], []]);
  });
});
