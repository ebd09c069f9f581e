/** S1's routes of several keys: mset, mget, mdelete. */
import { z } from 'zod';
import { ReplyError } from '../../../commands/reply.ts';
import { httpKeysMax } from '../../../limits.ts';
import { type Answer, failure, invalidRequest, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { othersShape } from './listed-others.ts';
import { readMany } from './read-many.ts';
import { doneSchema, keyFault, type Run, ttlSchema } from './rest-parts.ts';
import { bytesOfText, type Encoding, encodings, pairsShape, shownPairs } from './value-json.ts';

/** Not z.record, which leaves out the key `__proto__`. */
const textMap = z
  .unknown()
  .refine(isTextMap, 'must be an object whose values are strings')
  .meta({ type: 'object', additionalProperties: { type: 'string' } });

const msetBody = z.object({
  kvs: textMap.optional(),
  key_values: textMap.optional().meta({ description: 'The same as `kvs`, whose place it takes.' }),
  ttl: ttlSchema,
  encoding: z.enum(encodings).optional().meta({ description: 'How all values are written.' }),
});

const keysBody = z.object({
  keys: z.array(z.string()).max(httpKeysMax, `at most ${httpKeysMax} keys at a time`),
});

export function batchRoutes(run: Run): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/v1/mset',
      operation: 'setKeys',
      tag: 'keys',
      summary: 'Stores several values',
      json: msetBody,
      answers: { 200: { description: 'All are stored.', schema: doneSchema.extend({ count: z.int() }) } },
      handle: ({ body, context }) => {
        const pairs = Object.entries((body.kvs ?? body.key_values ?? {}) as Record<string, string>);
        return setMany(run, pairs, body.ttl, body.encoding, context);
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/mget',
      operation: 'getKeys',
      tag: 'keys',
      summary: 'The values of several keys',
      json: keysBody,
      answers: {
        200: {
          description: 'The values that are there; keys that are not are left out.',
          schema: z.object({ keys: z.array(z.string()), count: z.int(), ...pairsShape, ...othersShape }),
        },
      },
      handle: ({ body: { keys }, context }) => getMany(run, keys, context),
    }),
    route({
      method: 'POST',
      path: '/api/v1/mdelete',
      operation: 'deleteKeys',
      tag: 'keys',
      summary: 'Deletes several keys',
      json: keysBody,
      answers: {
        200: {
          description: 'All are gone. `count` is how many were asked for, `deleted` how many there were.',
          schema: doneSchema.extend({ count: z.int(), deleted: z.int() }),
        },
      },
      handle: async ({ body: { keys }, context }) => {
        const names = keys.map((key) => Buffer.from(key));
        const fault = keysFault(names);
        if (fault) return fault;
        const reply = await run('DEL', names, context);
        if (reply instanceof ReplyError) return failure('delete keys', reply);
        const message = 'keys deleted successfully';
        return json(200, { success: true, message, count: keys.length, deleted: Number(reply) });
      },
    }),
  ];
}

async function setMany(
  run: Run,
  pairs: readonly (readonly [key: string, value: string])[],
  ttl: number,
  encoding: Encoding | undefined,
  context: Parameters<Run>[2],
): Promise<Answer> {
  const fault = keysFault(pairs.map(([key]) => Buffer.from(key)));
  if (fault) return fault;
  const args: Buffer[] = [];
  for (const [key, text] of pairs) {
    const value = bytesOfText(text, encoding);
    if (value === undefined) return invalidRequest(`the value of ${JSON.stringify(key)} is no base64`);
    args.push(Buffer.from(key), value);
  }
  const reply = await (ttl === 0
    ? run('MSET', args, context)
    : run('MSETEX', [`${Date.now() + ttl * 1_000}`, ...args], context));
  if (reply instanceof ReplyError) return failure('set keys', reply);
  return json(200, { success: true, message: 'keys set successfully', count: pairs.length });
}

async function getMany(run: Run, keys: readonly string[], context: Parameters<Run>[2]): Promise<Answer> {
  const names = [...new Set(keys)].map((key) => Buffer.from(key));
  const fault = keysFault(names);
  if (fault) return fault;
  const values = await readMany(run, names, context);
  if (values instanceof ReplyError) return failure('get keys', values);
  const { texts, others } = values;
  const count = texts.length + others.length;
  return json(200, { keys, count, ...shownPairs(texts), ...(others.length > 0 && { others }) });
}

function keysFault(keys: readonly Buffer[]): Answer | undefined {
  if (keys.length === 0) return invalidRequest('empty keys');
  for (const key of keys) {
    const fault = keyFault(key);
    if (fault) return fault;
  }
  return undefined;
}

function isTextMap(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === 'string');
}
