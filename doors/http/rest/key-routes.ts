/** S1's routes of one key: set, get, delete. Exactly its shapes and texts; `encoding` and `ttl` are ours. */
import { z } from 'zod';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { httpValueBytesMax } from '../../../limits.ts';
import { type Answer, failure, invalidRequest, json, jsonType } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { doneSchema, keyFault, notFound, type Run, ttlSchema } from './rest-parts.ts';
import { type PresentValue, readStored } from './stored-value.ts';
import { bytesOfText, encodings, encodingSchema, shown } from './value-json.ts';

const setBody = z.object({
  key: z.string(),
  value: z.string(),
  ttl: ttlSchema,
  encoding: z.enum(encodings).optional().meta({ description: 'How `value` is written: utf8 unless said otherwise.' }),
});

const valueSchema = z.union([z.string(), z.null(), z.array(z.unknown()), z.record(z.string(), z.unknown())]).meta({
  description: 'Text; JSON where the stored type is a list, a map or a collection.',
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
          schema: z.object({ key: z.string(), value: valueSchema, encoding: encodingSchema.optional() }),
        },
        404: notFound,
      },
      handle: ({ parameter: key, context }) =>
        answerStored(run, key, 'get key', context, (value) => valueAnswer(key, value)),
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
  return setAnswer(await run('SET', ttl === 0 ? [key, value] : [key, value, 'EX', `${ttl}`], context));
}

/** For whatever command stored the value. */
export function setAnswer(reply: Reply): Answer {
  if (reply instanceof ReplyError) return failure('set key', reply);
  return json(200, { success: true, message: 'key set successfully' });
}

/** What `make` answers of a key's value, or that there is none, or why `what` could not be done. */
export async function answerStored(
  run: Run,
  key: Buffer,
  what: string,
  context: Parameters<Run>[2],
  make: (value: PresentValue) => Answer,
): Promise<Answer> {
  const fault = keyFault(key);
  if (fault) return fault;
  const value = await readStored(run, key, context);
  if (value.kind === 'absent') return keyNotFound(key);
  return value.kind === 'failed' ? failure(what, value.error) : make(value);
}

export function keyNotFound(key: Buffer): Answer {
  return json(404, { error: `key not found: ${key.toString('utf8')}` });
}

function valueAnswer(key: Buffer, value: PresentValue): Answer {
  const length = value.kind === 'json' ? value.json.length : value.bytes.byteLength;
  if (length > httpValueBytesMax) {
    const message = `the value has ${length} bytes, more than JSON is good for: GET /api/v1/values/{key} gives it as it is`;
    return failure('get key', new ReplyError('TOOLARGE', message));
  }
  const name = key.toString('utf8');
  if (value.kind === 'json') {
    const encoding = value.encoding === undefined ? '' : `,"encoding":"${value.encoding}"`;
    return { status: 200, type: jsonType, body: `{"key":${JSON.stringify(name)},"value":${value.json}${encoding}}\n` };
  }
  const { text, encoding } = shown(value.bytes);
  return json(200, { key: name, value: text, ...(encoding && { encoding }) });
}
