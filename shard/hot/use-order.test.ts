import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NodeChunk, nodesPerChunkMax, noNode, type UseList, UseOrder } from './use-order.ts';

interface Owner {
  readonly name: number;
}

function ownersOf(order: UseOrder<Owner>, list: UseList): Owner[] {
  const owners: Owner[] = [];
  for (let node = order.oldest(list); node !== noNode; node = order.newerThan(list, node)) {
    owners.push(order.ownerOf(node));
  }
  return owners;
}

describe('UseOrder', () => {
  it('keeps the order of two lists, whatever is added, used, moved and removed', () => {
    const step = fc.record({
      kind: fc.constantFrom('add', 'add', 'use', 'promote', 'replace', 'remove'),
      list: fc.constantFrom(0, 1),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const order = new UseOrder<Owner>();
        const lists = [order.list(), order.list()] as const;
        const models: [Owner[], Owner[]] = [[], []];
        const nodes = new Map<Owner, number>();
        const free: number[] = [];
        const freeNode = (): number => {
          if (free.length === 0) {
            const { first } = order.reserve(3);
            free.push(first, first + 1, first + 2);
          }
          return free.pop()!;
        };
        steps.forEach(({ kind, list, pick }, name) => {
          const model = models[list];
          if (kind === 'add') {
            const owner = { name };
            nodes.set(owner, freeNode());
            order.add(lists[list], nodes.get(owner)!, owner);
            model.push(owner);
            return;
          }
          if (model.length === 0) return;
          const at = pick % model.length;
          const owner = model[at]!;
          const node = nodes.get(owner)!;
          if (kind === 'replace') {
            const by = freeNode();
            expect(order.replace(node, by)).toBe(owner);
            nodes.set(owner, by);
            free.push(node);
            return;
          }
          model.splice(at, 1);
          if (kind === 'use') {
            order.use(lists[list], node);
            model.push(owner);
          } else if (kind === 'promote') {
            order.use(lists[1 - list]!, node);
            models[1 - list]!.push(owner);
          } else {
            order.remove(node);
            free.push(node);
          }
        });
        for (const [index, list] of lists.entries()) {
          expect(ownersOf(order, list)).toEqual(models[index]);
          for (const owner of models[index]!) expect(order.listOf(nodes.get(owner)!)).toBe(list);
        }
      }),
    );
  });

  it('puts a node right behind another one, into its list', () => {
    const order = new UseOrder<Owner>();
    const lists = [order.list(), order.list()] as const;
    const { first } = order.reserve(5);
    const owners = Array.from({ length: 5 }, (_, name) => ({ name }));
    order.add(lists[0], first, owners[0]!);
    order.add(lists[1], first + 1, owners[1]!);
    order.add(first, first + 2, owners[2]!);
    order.add(first + 2, first + 3, owners[3]!);
    expect(ownersOf(order, lists[0])).toEqual([owners[3], owners[2], owners[0]]);
    order.use(first + 1, first + 2);
    order.use(first + 1, first + 2);
    order.add(lists[0], first + 4, owners[4]!);
    expect(ownersOf(order, lists[0])).toEqual([owners[3], owners[0], owners[4]]);
    expect(ownersOf(order, lists[1])).toEqual([owners[2], owners[1]]);
    expect([0, 1, 2, 3, 4].map((place) => order.listOf(first + place))).toEqual(
      [0, 1, 1, 0, 0].map((list) => lists[list]),
    );
  });

  it('gives the numbers of chunks that came back to new ones', () => {
    const order = new UseOrder<Owner>();
    const list = order.list();
    const chunks: NodeChunk<Owner>[] = Array.from({ length: 10 }, () => order.reserve(nodesPerChunkMax));
    order.release(chunks[3]!);
    const owner = { name: 1 };
    order.add(list, chunks[4]!.first, owner);
    const again = order.reserve(5);
    expect(again.first).toBe(chunks[3]!.first);
    order.add(list, again.first + 4, { name: 2 });
    expect(ownersOf(order, list)).toEqual([owner, { name: 2 }]);
  });
});
