import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Command, libraryContext, type ReplySink } from '../commands/command.ts';
import type { Reply } from '../commands/reply.ts';
import { socketExpectedReplyBytesMax, socketPipelinedBytesMax, socketPipelinedCommandsMax } from '../limits.ts';
import { Pending, Pipeline } from './pipeline.ts';

const context = libraryContext(1_000);
const MiB = 1024 * 1024;

/** A pipeline over an executor whose replies the test gives. */
class Trial {
  readonly begun: { readonly name: string; readonly answer: (reply: Reply) => void }[] = [];
  settled = 0;
  readonly pipeline: Pipeline<never, Pending<never>>;

  constructor(expectedReplyBytes = 1) {
    this.pipeline = new Pipeline({
      executor: { execute: (command) => this.#execute(command) },
      expectedReplyBytes,
      onSettled: () => (this.settled += 1),
    });
  }

  /** As a connection does with a command that is not answered at once. */
  run(name: string, keys: readonly number[] = [], bytes = 0): void {
    const command = { name, args: [] };
    const pending = new Pending<never>(command, context, bytes, keys, true);
    if (this.pipeline.isEmpty) this.pipeline.begin(pending, this.#execute(command));
    else this.pipeline.enter(pending);
  }

  async answer(name: string, reply: Reply): Promise<void> {
    this.begun.find((each) => each.name === name)!.answer(reply);
    await Promise.resolve();
  }

  /** What has left, oldest first. */
  taken(): Reply[] {
    const replies: Reply[] = [];
    for (let next = this.pipeline.take(); next !== undefined; next = this.pipeline.take()) replies.push(next.answer!);
    return replies;
  }

  #execute({ name }: Command): Promise<Reply> {
    return new Promise((answer) => this.begun.push({ name, answer }));
  }
}

/** Of the door's own. */
function answer(): Pending<never> {
  return new Pending<never>(undefined, undefined, 0, [], false);
}

describe('a pipeline', () => {
  test('answers in order, whatever is answered first, also with what comes from no executor', async () => {
    const trial = new Trial();
    for (const name of ['a', 'b']) trial.run(name);
    const own = answer();
    own.answer = 'own';
    trial.pipeline.follow(own);
    const { promise, resolve } = Promise.withResolvers<never>();
    trial.pipeline.follow(answer(), promise);
    await trial.answer('b', 2);
    expect(trial.taken()).toEqual([]);
    await trial.answer('a', 1);
    expect(trial.taken()).toEqual([1, 2, 'own']);
    expect(trial.pipeline.size).toBe(1);
    resolve('late' as never);
    await promise;
    expect(trial.taken()).toEqual(['late']);
    expect(trial.pipeline.isEmpty).toBe(true);
    expect(trial.settled).toBe(3);
  });

  test('begins a command when those before it on its key are done', async () => {
    const trial = new Trial();
    trial.run('first', [1]);
    trial.run('same', [1]);
    trial.run('other', [2]);
    expect(trial.begun.map(({ name }) => name)).toEqual(['first', 'other']);
    await trial.answer('first', null);
    expect(trial.begun.map(({ name }) => name)).toEqual(['first', 'other', 'same']);
  });

  test('counts bytes of requests, and of replies that wait for those before them', async () => {
    const trial = new Trial();
    trial.run('a', [], 10);
    trial.run('b', [], 5);
    expect(trial.pipeline.bytes).toBe(15);
    await trial.answer('b', Buffer.alloc(100));
    expect(trial.pipeline.bytes).toBe(115);
    await trial.answer('a', Buffer.alloc(1));
    expect(trial.pipeline.bytes).toBe(116);
    trial.taken();
    expect(trial.pipeline.bytes).toBe(0);
  });

  test('is whole and in order for any order of answers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...Array(12).keys()], { minLength: 12 }), async (order) => {
        const trial = new Trial();
        for (let name = 0; name < 12; name++) trial.run(`${name}`);
        const taken: Reply[] = [];
        for (const name of order) {
          await trial.answer(`${name}`, name);
          taken.push(...trial.taken());
        }
        expect(taken).toEqual([...Array(12).keys()]);
      }),
    );
  });
});

describe('a pipeline over an executor that answers later', () => {
  test('gives it every command with who gets its reply, and makes no promise', () => {
    const sinks: ReplySink[] = [];
    const executor = { execute: () => null, submit: (_: unknown, __: unknown, sink: ReplySink) => sinks.push(sink) };
    const pipeline = new Pipeline<never, Pending<never>>({
      executor,
      expectedReplyBytes: 1,
      onSettled: () => undefined,
    });
    for (const key of [1, 2, 1]) {
      pipeline.enter(new Pending<never>({ name: 'SET', args: [] }, context, 0, key, true));
    }
    expect(sinks).toHaveLength(2);
    sinks[1]!.reply(0, 'second');
    expect(pipeline.take()).toBeUndefined();
    sinks[0]!.reply(0, 'first');
    expect([pipeline.take()?.answer, pipeline.take()?.answer]).toEqual(['first', 'second']);
    expect(sinks).toHaveLength(3);
    expect(pipeline.size).toBe(1);
  });

  test('takes any number of refusals at once, of commands of which each waits for the one before it', async () => {
    const first = Promise.withResolvers<ReplySink>();
    let begun = 0;
    const executor = {
      execute: () => null,
      submit: (_: unknown, __: unknown, sink: ReplySink) => {
        begun += 1;
        if (begun === 1) first.resolve(sink);
        else sink.reply(0, 'refused');
      },
    };
    const pipeline = new Pipeline<never, Pending<never>>({
      executor,
      expectedReplyBytes: 1,
      onSettled: () => undefined,
    });
    for (let count = 0; count < 100_000; count++) {
      pipeline.enter(new Pending<never>({ name: 'SET', args: [] }, context, 0, 1, true));
    }
    expect(begun).toBe(1);
    (await first.promise).reply(0, 'first');
    expect(begun).toBe(100_000);
    let taken = 0;
    while (pipeline.take() !== undefined) taken += 1;
    expect(taken).toBe(100_000);
  });
});

describe('a pipeline is full', () => {
  test('with so many commands, or so many bytes of requests, and never while it is empty', () => {
    const many = new Trial();
    for (let index = 1; index < socketPipelinedCommandsMax; index++) many.run('x');
    expect(many.pipeline.isFull).toBe(false);
    many.run('x');
    expect(many.pipeline.isFull).toBe(true);
    const large = new Trial();
    large.run('x', [], socketPipelinedBytesMax);
    expect(large.pipeline.isFull).toBe(true);
    expect(new Trial(Infinity).pipeline.isFull).toBe(false);
  });

  test('with few commands after a large reply, and with more of them after each small one', async () => {
    const trial = new Trial();
    const depth = (): number => {
      let count = 0;
      for (; !trial.pipeline.isFull; count++) trial.run('deep');
      return count;
    };
    trial.run('large');
    await trial.answer('large', Buffer.alloc(16 * MiB));
    trial.taken();
    expect(depth()).toBe(socketExpectedReplyBytesMax / (16 * MiB));
    for (const { answer } of trial.begun.splice(1)) answer(null);
    await Promise.resolve();
    trial.taken();
    expect(depth()).toBeGreaterThan(10);
  });
});
