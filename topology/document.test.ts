import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KvcacheError } from '../errors.ts';
import { formatTopology, parseTopology } from './document.ts';
import { topology } from './place.ts';
import type { Topology } from './topology.ts';

const members = [0, 1, 2].map((number) => ({ name: `shard-${number}`, address: `127.0.0.1:${7000 + number}` }));

function single(change: object, runChange: object = {}): string {
  const run = { from: 0, to: 16_383, shards: ['a'], since: 1, ...runChange };
  return JSON.stringify({ version: 1, epoch: 2, shards: [{ name: 'a', address: 'h:1' }], slots: [run], ...change });
}

test('a topology survives being written and read', () => {
  const document = topology(topology(undefined, members), members.slice(1));
  expect(parseTopology(formatTopology(document))).toEqual(document);
  expect(JSON.parse(formatTopology(document))).toEqual(document);
});

test('fields of a later version are left out', () => {
  const document = parseTopology(single({ colour: 'red' }, { weight: 3 }));
  expect(Object.keys(document)).toEqual(['version', 'epoch', 'shards', 'slots']);
  expect(Object.keys(document.slots[0]!)).toEqual(['from', 'to', 'shards', 'since']);
});

describe('a document that is wrong is refused by the name of the field', () => {
  const shardA = { name: 'a', address: 'h:1' };
  const cases: [string, string, string][] = [
    ['text', 'hello', 'the document is not JSON'],
    ['a list', '[]', 'the document is [], expected an object'],
    ['another version', single({ version: 2 }), 'version is 2, this program reads version 1'],
    ['no epoch', single({ epoch: undefined }), 'epoch is missing, expected a whole number'],
    ['an epoch out of bounds', single({ epoch: 2 ** 32 }), 'epoch is 4294967296'],
    ['no shards', single({ shards: [] }), 'shards has 0 items'],
    ['a name in capitals', single({ shards: [{ name: 'A', address: 'h:1' }] }), 'shards[0].name is "A"'],
    [
      'an address without a port',
      single({ shards: [{ name: 'a', address: 'h' }] }),
      'shards[0].address is "h", expected host:port',
    ],
    ['a name twice', single({ shards: [shardA, shardA] }), 'shards[1].name is "a", which another shard has too'],
    ['slots that begin late', single({}, { from: 1 }), 'slots[0].from is 1, expected 0'],
    ['slots that end early', single({}, { to: 16_382 }), 'slots end at 16382, expected 16383'],
    ['a slot out of bounds', single({}, { to: 16_384 }), 'slots[0].to is 16384'],
    ['an unknown owner', single({}, { shards: ['b'] }), 'slots[0].shards is "b", which is no shard of this topology'],
    ['no owner', single({}, { shards: [] }), 'slots[0].shards has 0 items'],
    ['a since above the epoch', single({}, { since: 3 }), 'slots[0].since is 3, expected a whole number from 0 to 2'],
    ['an unknown source', single({}, { source: 'c' }), 'slots[0].source is "c", which is no shard of this topology'],
  ];
  test.each(cases)('%s', (_, text, message) => {
    expect(() => parseTopology(text)).toThrow(KvcacheError);
    expect(() => parseTopology(text)).toThrow(message);
  });

  test('overlapping and missing slots', () => {
    const slots = (...bounds: [number, number][]): string =>
      single({ slots: bounds.map(([from, to]) => ({ from, to, shards: ['a'], since: 0 })) });
    expect(() => parseTopology(slots([0, 9], [9, 16_383]))).toThrow('slots[1].from is 9, expected 10');
    expect(() => parseTopology(slots([0, 9], [11, 16_383]))).toThrow('slots[1].from is 11, expected 10');
    expect(() => parseTopology(slots([0, 9], [10, 3], [4, 16_383]))).toThrow('slots[1].to is 3, expected 10 or more');
  });
});

test('whatever is read either is a topology or fails with CONFIG', () => {
  const text = formatTopology(topology(undefined, members));
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), fc.nat(5), (at, inserted, removed) => {
      let read: Topology;
      try {
        read = parseTopology(text.slice(0, at) + inserted + text.slice(at + removed));
      } catch (error) {
        expect(error).toBeInstanceOf(KvcacheError);
        return;
      }
      expect(parseTopology(formatTopology(read))).toEqual(read);
    }),
  );
});
