import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { libraryContext } from '../commands/command.ts';
import { type Deadline, DeadlineWheel } from '../grpc/deadline-wheel.ts';
import { PendingCommand } from './pending.ts';
import { PendingCommands } from './pending-commands.ts';

const sink = { reply: () => undefined };

function pending(dueMs = Date.now() + 60_000): PendingCommand {
  const command = { name: 'GET', args: [] };
  return new PendingCommand(command, libraryContext(1_000), dueMs, 1, sink, 0, 0, 0, undefined);
}

/** With the wheel's own view of what waits in it. */
class CountingWheel extends DeadlineWheel {
  readonly waiting = new Set<Deadline>();

  override add(deadline: Deadline): void {
    this.waiting.add(deadline);
    super.add(deadline);
  }

  override remove(deadline: Deadline): void {
    this.waiting.delete(deadline);
    super.remove(deadline);
  }
}

describe('commands without a reply', () => {
  test('are found by their ids until they are removed, whatever is added and removed', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(), { nil: undefined }), { maxLength: 400 }), (steps) => {
        const commands = new PendingCommands(new DeadlineWheel(), 0, () => undefined);
        const here = new Map<number, PendingCommand>();
        for (const step of steps) {
          if (step === undefined || here.size === 0) {
            const added = pending();
            commands.add(added);
            expect(here.has(added.id)).toBe(false);
            here.set(added.id, added);
          } else {
            const gone = [...here.values()][step % here.size]!;
            commands.remove(gone);
            here.delete(gone.id);
            expect(commands.get(gone.id)).toBeUndefined();
          }
          expect(commands.size).toBe(here.size);
        }
        for (const [id, one] of here) expect(commands.get(id)).toBe(one);
        expect(new Set(commands.all())).toEqual(new Set(here.values()));
        for (const one of here.values()) commands.remove(one);
      }),
    );
  });

  test('keep their places while others come and go past them', () => {
    const commands = new PendingCommands(new DeadlineWheel(), 0, () => undefined);
    const slow = pending();
    commands.add(slow);
    for (let count = 0; count < 10_000; count++) {
      const quick = pending();
      commands.add(quick);
      commands.remove(quick);
    }
    expect(commands.get(slow.id)).toBe(slow);
    commands.remove(slow);
  });

  test('strike when they are due and never before, each once, in any order of their deadlines', async () => {
    const struck: PendingCommand[] = [];
    const all = Promise.withResolvers<void>();
    const commands: PendingCommands = new PendingCommands(new DeadlineWheel(), 0, (due) => {
      expect(Date.now()).toBeGreaterThanOrEqual(due.dueMs);
      commands.remove(due);
      struck.push(due);
      if (struck.length === 5) all.resolve();
    });
    const far = pending();
    commands.add(far);
    const due = [40, 10, 70, 10, 20].map((ms) => pending(Date.now() + ms));
    for (const one of due) commands.add(one);
    await all.promise;
    expect(new Set(struck)).toEqual(new Set(due));
    expect(commands.all()).toEqual([far]);
    commands.remove(far);
  });

  test('have one entry in the wheel together, and none when there are none', () => {
    const wheel = new CountingWheel();
    const commands = new PendingCommands(wheel, 0, () => undefined);
    const several = [3_000, 2_000, 4_000].map((ms) => pending(Date.now() + ms));
    for (const one of several) commands.add(one);
    expect(wheel.waiting.size).toBe(1);
    for (const one of several) commands.remove(one);
    expect(wheel.waiting.size).toBe(0);
  });
});
