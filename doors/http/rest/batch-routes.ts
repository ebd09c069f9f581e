/** S1's routes of several keys: mset, mget, mdelete. */
import { z } from 'zod';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { httpKeysMax, httpValueBytesMax } from '../../../limits.ts';
import { type Answer, failure, invalidRequest, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { collectionsShape, listCollections } from './listed-collections.ts';
import { doneSchema, keyFault, type Run, ttlSchema } from './rest-parts.ts';
import { bytesOfText, type Encoding, encodings, pairsShape, shownPairs, valueBytes } from './value-json.ts';

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
          schema: z.object({ keys: z.array(z.string()), count: z.int(), ...pairsShape, ...collectionsShape }),
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
  const names = keys.map((key) => Buffer.from(key));
  const fault = keysFault(names);
  if (fault) return fault;
  const reply = await run('MGET', names, context);
  if (reply instanceof ReplyError) return failure('get keys', reply);
  const values = reply as Reply[];
  const broken = values.find((value) => value instanceof ReplyError);
  if (broken) return failure('get keys', broken);
  const found = new Map<string, readonly [Buffer, Buffer]>();
  // What is no text is nil to MGET, as what is not there.
  const others = new Map<string, Buffer>();
  let bytes = 0;
  for (const [place, value] of values.entries()) {
    if (value === null) {
      others.set(keys[place]!, names[place]!);
      continue;
    }
    const pair = [names[place]!, valueBytes(value)] as const;
    bytes += pair[1].byteLength;
    found.set(keys[place]!, pair);
  }
  if (bytes > httpValueBytesMax) {
    const message = `the values have ${bytes} bytes, more than ${httpValueBytesMax}: ask for fewer keys at a time`;
    return failure('get keys', new ReplyError('TOOLARGE', message));
  }
  const listed = await listCollections(run, [...others.values()], httpValueBytesMax - bytes, context);
  if (listed instanceof ReplyError) return failure('get keys', listed);
  const { collections } = listed;
  return json(200, {
    keys,
    count: found.size + collections.length,
    ...shownPairs([...found.values()]),
    ...(collections.length > 0 && { collections }),
  });
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
