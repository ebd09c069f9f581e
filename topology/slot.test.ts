import { expect, test } from 'vitest';
import { crc16, slotOf } from './slot.ts';

test('CRC16 matches the published vector', () => {
  expect(crc16(Buffer.from('123456789'))).toBe(0x31c3);
});

test('slots match those of Redis Cluster, hash tags included', () => {
  const slot = (key: string): number => slotOf(Buffer.from(key));
  expect(slot('')).toBe(0);
  expect(slot('foo')).toBe(12182);
  expect(slot('{user1000}.following')).toBe(slot('{user1000}.followers'));
  expect(slot('foo{}{bar}')).toBe(crc16(Buffer.from('foo{}{bar}')) % 16384);
  expect(slot('foo{{bar}}zap')).toBe(slot('{bar'));
  expect(slot('foo{bar}{zap}')).toBe(slot('bar'));
});
