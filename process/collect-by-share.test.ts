import { expect, test } from 'vitest';
import { garbageBytesMax } from '../limits.ts';
import { growingPercent } from './collect-by-share.ts';

const MiB = 2 ** 20;

test('a small heap may grow by as many bytes as garbage may take', () => {
  expect(growingPercent(32 * MiB, Infinity)).toBe((garbageBytesMax / (32 * MiB)) * 100);
});

test('garbage is bounded by an eighth of what the process may hold', () => {
  expect(growingPercent(32 * MiB, 512 * MiB)).toBe(200);
});

test('of a large heap with as much memory beside it, the growth is left to V8', () => {
  expect(growingPercent(4_096 * MiB, Infinity)).toBe(0);
  expect(growingPercent(600 * MiB, 8 * 1_024 * MiB)).toBe(0);
});

test('a heap that takes most of the memory is held to its share, however little that is', () => {
  expect(growingPercent(100 * MiB, 256 * MiB)).toBe(30);
  expect(growingPercent(600 * MiB, 1_024 * MiB)).toBe(20);
  expect(growingPercent(1_600 * MiB, 8 * 1_024 * MiB)).toBe(60);
  expect(growingPercent(100 * MiB, 64 * MiB)).toBe(10);
});
