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

test('of a heap that is large beside the garbage that it may have, the growth is left to V8', () => {
  expect(growingPercent(4096 * MiB, Infinity)).toBe(0);
  expect(growingPercent(64 * MiB, 128 * MiB)).toBe(0);
});
