import { describe, expect, test } from 'vitest';
import { Availability } from './availability.ts';

describe('availability', () => {
  test('counts faults by code and their share of all operations', () => {
    const availability = new Availability(() => 0);
    for (const fault of [
      undefined,
      'UNAVAILABLE',
      undefined,
      'TIMEOUT',
      'UNAVAILABLE',
      undefined,
      undefined,
      undefined,
    ])
      availability.note(fault);
    expect(availability.report()).toMatchObject({
      done: 5,
      faults: { UNAVAILABLE: 2, TIMEOUT: 1 },
      errorRate: 3 / 8,
    });
  });

  test('knows the longest time in which nothing went well, also while it lasts', () => {
    let now = 0;
    const availability = new Availability(() => now);
    now = 100;
    availability.note(undefined);
    now = 350;
    availability.note('UNAVAILABLE');
    availability.note(undefined);
    expect(availability.report().longestOutageMs).toBe(250);
    now = 1_000;
    expect(availability.report().longestOutageMs).toBe(650);
    availability.reset();
    expect(availability.report()).toEqual({ done: 0, faults: {}, errorRate: 0, longestOutageMs: 0 });
  });
});
