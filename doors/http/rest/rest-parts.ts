/** What the routes of the API share: what they work on, and the pieces that their schemas are made of. */
import { z } from 'zod';
import type { CommandContext, Executor } from '../../../commands/command.ts';
import type { Reply } from '../../../commands/reply.ts';
import { keyBytesMax } from '../../../limits.ts';
import { type Answer, invalidRequest } from '../answer.ts';
import type { DeclaredAnswer } from '../route.ts';

/** Command in, reply out, always as a promise. */
export type Run = (name: string, args: readonly (Buffer | string)[], context: CommandContext) => Promise<Reply>;

export function runnerOf(executor: Executor): Run {
  return async (name, args, context) =>
    executor.execute({ name, args: args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg) : arg)) }, context);
}

export const faultSchema = z.object({
  error: z.string(),
  code: z.string().optional().meta({ description: 'A code of docs/errors.md, where the fault has one.' }),
});

export const notFound: DeclaredAnswer = { description: 'There is no such key.', schema: faultSchema };

/** S1's answer to what has been done. */
export const doneSchema = z.object({ success: z.literal(true), message: z.string() });

export const ttlSchema = z
  .int('ttl must be whole seconds, or 0 for none')
  .min(0, 'ttl must be whole seconds, or 0 for none')
  .default(0)
  .meta({ description: 'Seconds until it expires; 0 for never.' });

/** The same in a query, where everything is text. */
export const ttlQuerySchema = z
  .string()
  .regex(/^\d{1,12}$/, 'ttl must be whole seconds, or 0 for none')
  .transform(Number)
  .default(0)
  .meta({ description: 'Seconds until it expires; 0 for never.' });

/** Every door but Redis's refuses the key of no bytes. */
export function keyFault(key: Buffer): Answer | undefined {
  if (key.byteLength === 0) return invalidRequest('empty key');
  if (key.byteLength > keyBytesMax) {
    return invalidRequest(`the key has ${key.byteLength} bytes; at most ${keyBytesMax} are allowed`);
  }
  return undefined;
}
