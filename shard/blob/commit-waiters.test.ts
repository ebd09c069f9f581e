import { describe, expect, test } from 'vitest';

import { KvcacheError } from '../../errors.ts';
import { CommitWaiters } from './commit-waiters.ts';

describe('waiters', () => {
  test('are let go when enough of their segment is committed, and no sooner', async () => {
    const waiters = new CommitWaiters();
    const gone: string[] = [];
    const near = waiters.wait(1, 100, undefined).then(() => gone.push('near'));
    const far = waiters.wait(1, 200, undefined).then(() => gone.push('far'));
    const other = waiters.wait(2, 1, undefined).then(() => gone.push('other'));
    waiters.settle(1, 99);
    waiters.settle(1, 150);
    await near;
    expect(gone).toEqual(['near']);
    expect(waiters.size).toBe(2);
    waiters.settle(1, 200);
    waiters.settle(2, 1);
    await Promise.all([far, other]);
    expect(waiters.size).toBe(0);
    expect(waiters.ids()).toEqual([]);
  });

  test('may give up', async () => {
    const waiters = new CommitWaiters();
    const giveUp = new AbortController();
    const wait = waiters.wait(1, 100, giveUp.signal);
    giveUp.abort();
    await expect(wait).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(waiters.wait(1, 100, giveUp.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(waiters.size).toBe(0);
  });

  test('are all rejected at the end', async () => {
    const waiters = new CommitWaiters();
    const waits = [1, 1, 2].map(async (id) => {
      await waiters.wait(id, 1, undefined);
    });
    waiters.rejectAll(new KvcacheError('FENCED', 'another'));
    const outcomes = await Promise.allSettled(waits);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(waiters.size).toBe(0);
  });
});
