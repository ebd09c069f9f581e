import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from './fifo.ts';

test('items come out in the order they went in, however the queue is used', () => {
  const runs = fc.array(fc.tuple(fc.nat(3_000), fc.nat(3_000)), { maxLength: 10 });
  fc.assert(
    fc.property(runs, (steps) => {
      const queue = new Fifo<number>();
      let added = 0;
      let taken = 0;
      for (const [adds, takes] of steps) {
        for (let count = 0; count < adds; count++) queue.push(added++);
        for (let count = 0; count < takes; count++) {
          expect(queue.peek()).toBe(taken < added ? taken : undefined);
          expect(queue.shift()).toBe(taken < added ? taken++ : undefined);
        }
        expect(queue.length).toBe(added - taken);
      }
    }),
    { numRuns: 30 },
  );
});
