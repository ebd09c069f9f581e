import { expect, test } from 'vitest';
import { awaitedReply } from './awaited-reply.ts';
import type { ReplySink } from './command.ts';

test('a reply that is there at once is no promise, also if it is nil', () => {
  expect(awaitedReply((sink) => sink.reply(0, null))).toBeNull();
});

test('a reply that comes later is promised', async () => {
  let later: ReplySink | undefined;
  const reply = awaitedReply((sink) => (later = sink));
  later!.reply(0, 'late');
  expect(reply).toBeInstanceOf(Promise);
  expect(await reply).toBe('late');
});
