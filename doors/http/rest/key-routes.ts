/** S1's routes of one key: set, get, delete. Exactly its shapes and texts; `encoding` and `ttl` are ours. */
import { z } from 'zod';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { httpValueBytesMax } from '../../../limits.ts';
import { type Answer, failure, invalidRequest, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { doneSchema, keyFault, notFound, type Run, ttlSchema } from './rest-parts.ts';
import { bytesOfText, encodings, encodingSchema, shown, valueBytes } from './value-json.ts';

const setBody = z.object({
  key: z.string(),
  value: z.string(),
  ttl: ttlSchema,
  encoding: z.enum(encodings).optional().meta({ description: 'How `value` is written: utf8 unless said otherwise.' }),
});

export function keyRoutes(run: Run): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/v1/set',
      operation: 'setKey',
      tag: 'keys',
      summary: 'Stores a value',
      json: setBody,
      answers: { 200: { description: 'Stored.', schema: doneSchema } },
      handle: ({ body: { key, value, ttl, encoding }, context }) => {
        const bytes = bytesOfText(value, encoding);
        if (bytes === undefined) return invalidRequest('value is no base64');
        return set(run, Buffer.from(key), bytes, ttl, context);
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/get/{key}',
      operation: 'getKey',
      tag: 'keys',
      summary: 'The value of a key',
      answers: {
        200: {
          description: 'The value, as text where it is text.',
          schema: z.object({ key: z.string(), value: z.string(), encoding: encodingSchema.optional() }),
        },
        404: notFound,
      },
      handle: async ({ parameter: key, context }) => {
        const fault = keyFault(key);
        if (fault) return fault;
        const reply = await run('GET', [key], context);
        if (reply instanceof ReplyError) return failure('get key', reply);
        if (reply === null) return keyNotFound(key);
        return valueAnswer(key, reply);
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/delete/{key}',
      operation: 'deleteKey',
      tag: 'keys',
      summary: 'Deletes a key',
      description: 'A key that is not there is deleted as well: it is gone either way.',
      answers: { 200: { description: 'It is gone.', schema: doneSchema } },
      handle: async ({ parameter: key, context }) => {
        const fault = keyFault(key);
        if (fault) return fault;
        const reply = await run('DEL', [key], context);
        if (reply instanceof ReplyError) return failure('delete key', reply);
        return json(200, { success: true, message: 'key deleted successfully' });
      },
    }),
  ];
}

/** For `POST /api/v1/set` and `PUT /api/v1/values/{key}`. */
export async function set(
  run: Run,
  key: Buffer,
  value: Buffer,
  ttl: number,
  context: Parameters<Run>[2],
): Promise<Answer> {
  const fault = keyFault(key);
  if (fault) return fault;
  const reply = await run('SET', ttl === 0 ? [key, value] : [key, value, 'EX', `${ttl}`], context);
  if (reply instanceof ReplyError) return failure('set key', reply);
  return json(200, { success: true, message: 'key set successfully' });
}

export function keyNotFound(key: Buffer): Answer {
  return json(404, { error: `key not found: ${key.toString('utf8')}` });
}

function valueAnswer(key: Buffer, reply: Reply): Answer {
  const value = valueBytes(reply);
  if (value.byteLength > httpValueBytesMax) {
    const message = `the value has ${value.byteLength} bytes, more than JSON is good for: GET /api/v1/values/{key} gives it as it is`;
    return failure('get key', new ReplyError('TOOLARGE', message));
  }
  const { text, encoding } = shown(value);
  return json(200, { key: key.toString('utf8'), value: text, ...(encoding && { encoding }) });
}
