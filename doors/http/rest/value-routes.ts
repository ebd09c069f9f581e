/** Keys for people who look into a cache: what is known of one, and its value as it is, up and down. */
import { z } from 'zod';
import type { CommandContext } from '../../../commands/command.ts';
import { ReplyError } from '../../../commands/reply.ts';
import { storedTypeName, storedTypes } from '../../../commands/stored-type.ts';
import { decodeClock } from '../../../commands/vector-clock.ts';
import { httpPreviewBytesDefault, httpPreviewBytesMax } from '../../../limits.ts';
import { slotOf } from '../../../topology/slot.ts';
import { type Answer, bytesType, failure, invalidRequest, json, jsonType } from '../answer.ts';
import { bytesRoute, type Route, route } from '../route.ts';
import type { ClusterView } from './cluster-view.ts';
import { parseExact } from './exact-json.ts';
import { answerStored, keyNotFound, set, setAnswer } from './key-routes.ts';
import { doneSchema, keyFault, notFound, type Run, ttlQuerySchema } from './rest-parts.ts';
import { type KeyInfo, type PresentValue, readInfo } from './stored-value.ts';
import { type ScalarType, scalarBody, scalarForms, scalarTypes } from './typed-scalar.ts';
import { encodingSchema, shown, shownKey } from './value-json.ts';

const previewSchema = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a number of bytes')
  .transform((text) => Math.min(Number(text), httpPreviewBytesMax))
  .default(httpPreviewBytesDefault)
  .meta({
    description: `How much of the value to show, 0 for nothing; above ${httpPreviewBytesMax} it is ${httpPreviewBytesMax}.`,
  });

const typeSchema = z
  .enum(scalarTypes)
  .default('bytes')
  .meta({ description: 'The kind of the value: numbers in decimal, true or false, nothing for null.' });

const siblingSchema = z.object({
  version: z.record(z.string(), z.string()).meta({ description: 'Its vector clock: nodes and their counters.' }),
  is_deleted: z.boolean(),
  value: z.string().optional(),
  value_encoding: encodingSchema.optional(),
  is_truncated: z.boolean().optional(),
});

const keySchema = z.object({
  key: z.string(),
  encoding: encodingSchema.optional(),
  type: z.string(),
  bytes: z.int(),
  ttl_ms: z.int().meta({ description: '-1: it never expires.' }),
  tier: z.string().meta({ description: 'Where a read finds it now: ram, disk, blob or away.' }),
  slot: z.int(),
  shard: z.string(),
  value: z.unknown().optional().meta({
    description: 'Text, or JSON where the type is a list, a map or a collection. Absent with preview=0.',
  }),
  value_encoding: encodingSchema.optional(),
  is_truncated: z.boolean().optional(),
  siblings: z.array(siblingSchema).optional().meta({
    description: 'Of a key with vector clocks: its versions that nobody has brought together, newest first.',
  }),
});

const versionedName = storedTypeName(storedTypes.versioned);

export function valueRoutes(run: Run, view: ClusterView): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/keys/{key}',
      operation: 'describeKey',
      tag: 'keys',
      summary: 'What is known of a key',
      query: z.object({ preview: previewSchema }),
      answers: {
        200: { description: 'Its type, place and life, and how its value begins.', schema: keySchema },
        404: notFound,
      },
      handle: ({ parameter, query: { preview }, context }) => describe(run, view, parameter, preview, context),
    }),
    route({
      method: 'GET',
      path: '/api/v1/values/{key}',
      operation: 'readValue',
      tag: 'keys',
      summary: 'A value as it is',
      answers: {
        200: { description: 'Its bytes; JSON of a list, a map or a collection.', type: bytesType },
        404: notFound,
      },
      handle: ({ parameter: key, context }) => answerStored(run, key, 'get key', context, asItIs),
    }),
    bytesRoute({
      method: 'PUT',
      path: '/api/v1/values/{key}',
      operation: 'writeValue',
      tag: 'keys',
      summary: 'Stores a value as it is',
      description: 'The body is the value, such as a file; with `type` the text of a value of the binary protocol.',
      query: z.object({ ttl: ttlQuerySchema, type: typeSchema }),
      answers: { 200: { description: 'Stored.', schema: doneSchema } },
      handle: ({ parameter, query: { ttl, type }, body, context }) =>
        type === 'bytes'
          ? set(run, parameter, body, ttl, context)
          : setScalar(run, { key: parameter, type, written: body, ttl }, context),
    }),
  ];
}

async function describe(
  run: Run,
  view: ClusterView,
  key: Buffer,
  preview: number,
  context: CommandContext,
): Promise<Answer> {
  const fault = keyFault(key);
  if (fault) return fault;
  const info = await readInfo(run, key, context);
  if (info instanceof ReplyError) return failure('describe key', info);
  if (info === undefined) return keyNotFound(key);
  // Who asks for nothing of the value must not warm it.
  if (preview === 0) return json(200, { ...shownKey(key), ...placeOf(key, info, view) });
  const siblings = info.type === versionedName ? await siblingsOf(run, key, preview, context) : undefined;
  if (siblings instanceof ReplyError) return failure('describe key', siblings);
  return answerStored(run, key, 'describe key', context, (value) =>
    json(200, {
      ...shownKey(key),
      ...placeOf(key, info, view),
      ...begun(value, preview),
      ...(siblings && { siblings }),
    }),
  );
}

async function setScalar(
  run: Run,
  { key, type, written, ttl }: { key: Buffer; type: ScalarType; written: Buffer; ttl: number },
  context: CommandContext,
): Promise<Answer> {
  const fault = keyFault(key);
  if (fault) return fault;
  const body = scalarBody(type, written);
  if (body === undefined) return invalidRequest(`the value is no ${type}; it must be ${scalarForms[type]}`);
  const expireAtMs = ttl === 0 ? 0 : Date.now() + ttl * 1_000;
  return setAnswer(await run('VALUE.SET', [key, `${storedTypes[type]}`, body, `${expireAtMs}`], context));
}

/** Undefined where the key has none any more. */
async function siblingsOf(
  run: Run,
  key: Buffer,
  preview: number,
  context: CommandContext,
): Promise<z.infer<typeof siblingSchema>[] | undefined | ReplyError> {
  const reply = await run('VERSION.GET', [key], context);
  if (reply === null) return undefined;
  // A collection has taken its place since.
  if (reply instanceof ReplyError) return reply.code === 'WRONGTYPE' ? undefined : reply;
  return (reply as [Buffer, Buffer | null][]).map(([clock, bytes]) => siblingOf(clock, bytes, preview));
}

function siblingOf(clock: Buffer, bytes: Buffer | null, preview: number): z.infer<typeof siblingSchema> {
  const version = Object.fromEntries([...decodeClock(clock).clock].map(([node, counter]) => [node, String(counter)]));
  const begins = bytes === null ? {} : begun({ kind: 'bytes', bytes }, preview);
  return { version, is_deleted: bytes === null, ...begins };
}

/** Whatever a value says that it is, a browser that opens it here is not to believe it. */
const distrusted = { 'content-disposition': 'attachment', 'content-security-policy': "default-src 'none'; sandbox" };

function asItIs(value: PresentValue): Answer {
  return value.kind === 'bytes'
    ? { status: 200, type: bytesType, body: value.bytes, headers: distrusted }
    : { status: 200, type: jsonType, body: value.json, headers: distrusted };
}

function placeOf(key: Buffer, { type, bytes, expireAtMs, tier }: KeyInfo, view: ClusterView): object {
  const slot = slotOf(key);
  const ttlMs = expireAtMs === undefined ? -1 : Math.max(0, expireAtMs - Date.now());
  return { type, bytes, ttl_ms: ttlMs, tier, slot, shard: view.slots().ownerOf(slot) };
}

/** The value's beginning. Text is cut between two characters, JSON is not cut but left out where it is too long. */
function begun(value: PresentValue, preview: number): object {
  if (value.kind === 'json') {
    const isTruncated = value.json.length > preview;
    const whole = isTruncated ? value.json.slice(0, preview) : parseExact(value.json);
    return { value: whole, ...(value.encoding && { value_encoding: value.encoding }), is_truncated: isTruncated };
  }
  const { bytes } = value;
  const isTruncated = bytes.byteLength > preview;
  let end = Math.min(preview, bytes.byteLength);
  if (isTruncated && shown(bytes).encoding === undefined) while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  const { text, encoding } = shown(bytes.subarray(0, end));
  return { value: text, ...(encoding && { value_encoding: encoding }), is_truncated: isTruncated };
}
