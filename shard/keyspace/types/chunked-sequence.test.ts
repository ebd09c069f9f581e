import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChunkedSequence } from './chunked-sequence.ts';

const step = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), place: fc.nat(), count: fc.constantFrom(1, 1, 3, 700) }),
  fc.record({ kind: fc.constant('remove' as const), place: fc.nat(), count: fc.constantFrom(1, 1, 3, 500) }),
  fc.record({ kind: fc.constant('ends' as const), place: fc.nat(1), count: fc.constantFrom(1, 600) }),
);

test('is an array, whatever is put in and taken out wherever', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const sequence = new ChunkedSequence<number>();
      let model: number[] = [];
      let counter = 0;
      for (const { kind, place, count } of steps) {
        for (let time = 0; time < count; time++) {
          const at = kind === 'ends' ? place * model.length : place % (model.length + 1);
          if (kind !== 'remove') {
            sequence.insert(at, counter);
            model.splice(at, 0, counter++);
          } else if (at < model.length) {
            expect(sequence.remove(at)).toBe(model.splice(at, 1)[0]);
          }
        }
        expect(sequence.length).toBe(model.length);
        expect([...sequence.upward()]).toEqual(model);
        const from = place % (model.length + 1);
        expect([...sequence.upward(from)]).toEqual(model.slice(from));
        if (model.length > 0) {
          const last = place % model.length;
          expect(sequence.at(last)).toBe(model[last]);
          expect([...sequence.downward(last, 0)]).toEqual(model.slice(0, last + 1).reverse());
          sequence.set(last, counter);
          model = model.with(last, counter++);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('finds the first that is not before', () => {
  const sequence = new ChunkedSequence<number>();
  for (let value = 0; value < 5_000; value++) sequence.insert(value, value * 2);
  for (const wanted of [-1, 0, 1, 2, 777, 5_000, 9_998, 9_999, 20_000]) {
    const place = sequence.lowerBound((value) => value < wanted);
    expect(place).toBe(Math.min(5_000, Math.max(0, Math.ceil(wanted / 2))));
  }
});
