/**
 * Scans by prefix: S1's, which answers keys and values at once and honours `limit`, and one of keys alone. Both have
 * what S1's lacks, a cursor: what is left has it in its answer, and the next page is asked for with it.
 *
 * A page of the executor may hold fewer keys than asked for, or none, and yet not be the last; pages are collected
 * until the limit is reached or nothing is left, or until the values are more than one answer may hold.
 */
import { z } from 'zod';
import type { CommandContext } from '../../../commands/command.ts';
import { type Reply, ReplyError } from '../../../commands/reply.ts';
import { httpScanLimitDefault, httpScanLimitMax, httpValueBytesMax } from '../../../limits.ts';
import { failure, json } from '../answer.ts';
import { type Route, route } from '../route.ts';
import { knownKeys, type ListedOther, listOthers, othersShape } from './listed-others.ts';
import type { Run } from './rest-parts.ts';
import { encodingSchema, pairsShape, shownKey, shownPairs, valueBytes } from './value-json.ts';

const limitSchema = z
  .string()
  .regex(/^\d{1,9}$/, `must be a number of keys, such as ${httpScanLimitDefault}`)
  .transform((text) => Math.min(Number(text) || httpScanLimitDefault, httpScanLimitMax))
  .default(httpScanLimitDefault)
  .meta({ description: `How many keys at most. Above ${httpScanLimitMax} it is ${httpScanLimitMax}.` });

const cursorSchema = z
  .string()
  .regex(/^[\w-]*$/, 'must be one that a scan has answered')
  .optional()
  .meta({ description: 'Where the page before ended.' });

const scanQuery = z.object({ prefix: z.string().default(''), limit: limitSchema, cursor: cursorSchema });

const nextCursor = z
  .string()
  .optional()
  .meta({ description: 'There while keys are left: where the next page begins.' });

export function scanRoutes(run: Run): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/scan',
      operation: 'scan',
      tag: 'keys',
      summary: 'Keys with a prefix, and their values',
      query: scanQuery,
      answers: {
        200: {
          description: 'Up to `limit` of them, ordered by key within the page.',
          schema: z.object({
            prefix: z.string(),
            limit: z.int(),
            count: z.int(),
            ...pairsShape,
            ...othersShape,
            cursor: nextCursor,
          }),
        },
      },
      handle: async ({ query: { prefix, limit, cursor }, context }) => {
        const found = await scanValues(run, { prefix, limit, cursor }, context);
        if (found instanceof ReplyError) return failure('scan keys', found);
        const { pairs, others } = found;
        const count = pairs.length + others.length;
        return json(200, {
          prefix,
          limit,
          count,
          ...shownPairs(pairs),
          ...(others.length > 0 && { others }),
          ...cursorOf(found),
        });
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/keys',
      operation: 'listKeys',
      tag: 'keys',
      summary: 'Keys with a prefix',
      query: scanQuery,
      answers: {
        200: {
          description: 'Up to `limit` of them, ordered by key within the page.',
          schema: z.object({
            prefix: z.string(),
            keys: z.array(z.object({ key: z.string(), encoding: encodingSchema.optional() })),
            cursor: nextCursor,
          }),
        },
      },
      handle: async ({ query: { prefix, limit, cursor }, context }) => {
        const found = await scanKeys(run, { prefix, limit, cursor }, context);
        if (found instanceof ReplyError) return failure('scan keys', found);
        const keys = found.keys.sort(Buffer.compare).map(shownKey);
        return json(200, { prefix, keys, ...cursorOf(found) });
      },
    }),
  ];
}

interface Scan {
  readonly prefix: string;
  readonly limit: number;
  readonly cursor: string | undefined;
}

interface ScannedTo {
  readonly cursor: Buffer;
}

async function scanKeys(
  run: Run,
  request: Scan,
  context: CommandContext,
): Promise<(ScannedTo & { readonly keys: Buffer[] }) | ReplyError> {
  const keys: Buffer[] = [];
  const scanned = await scan(run, request, 'KEYS', context, (page) => {
    let bytes = 0;
    for (const item of page) {
      const key = valueBytes(item);
      bytes += key.byteLength;
      keys.push(key);
    }
    return { keys: page.length, bytes };
  });
  return scanned instanceof ReplyError ? scanned : { ...scanned, keys };
}

type Pair = [key: Buffer, value: Buffer];

interface ScannedValues extends ScannedTo {
  readonly pairs: readonly Pair[];
  readonly others: readonly ListedOther[];
}

async function scanValues(run: Run, request: Scan, context: CommandContext): Promise<ScannedValues | ReplyError> {
  const pairs: Pair[] = [];
  const others: ListedOther[] = [];
  const scanned = await scan(run, request, 'ALL', context, async (page, bytesLeft) => {
    const keysOfOthers: Buffer[] = [];
    let bytes = 0;
    for (let at = 0; at < page.length; at += 2) {
      const key = valueBytes(page[at]!);
      const value = page[at + 1]!;
      if (value === null) {
        keysOfOthers.push(key);
      } else {
        const pair: Pair = [key, valueBytes(value)];
        bytes += key.byteLength + pair[1].byteLength;
        pairs.push(pair);
      }
    }
    const known = await knownKeys(run, keysOfOthers, context);
    if (known instanceof ReplyError) return known;
    const listed = await listOthers(run, known, bytesLeft - bytes, context);
    if (listed instanceof ReplyError) return listed;
    others.push(...listed.others);
    return { keys: page.length / 2, bytes: bytes + listed.bytes };
  });
  if (scanned instanceof ReplyError) return scanned;
  pairs.sort(([a], [b]) => Buffer.compare(a, b));
  others.sort((a, b) => (a.key < b.key ? -1 : 1));
  return { ...scanned, pairs, others };
}

interface Taken {
  readonly keys: number;
  readonly bytes: number;
}

/** Has page after page taken, until there are enough keys or bytes, or no more. */
async function scan(
  run: Run,
  { prefix, limit, cursor }: Scan,
  what: 'KEYS' | 'ALL',
  context: CommandContext,
  take: (page: readonly Reply[], bytesLeft: number) => Taken | Promise<Taken | ReplyError>,
): Promise<ScannedTo | ReplyError> {
  let at: Buffer = Buffer.from(cursor ?? '', 'base64url');
  let keysLeft = limit;
  let bytesLeft = httpValueBytesMax;
  do {
    const reply = await run('PREFIXSCAN', [at, prefix, `${keysLeft}`, what], context);
    if (reply instanceof ReplyError) return reply;
    const [next, page] = reply as [Buffer, Reply[]];
    const taken = await take(page, bytesLeft);
    if (taken instanceof ReplyError) return taken;
    keysLeft -= taken.keys;
    bytesLeft -= taken.bytes;
    at = next;
  } while (at.byteLength > 0 && keysLeft > 0 && bytesLeft > 0 && !context.signal?.aborted);
  return { cursor: at };
}

function cursorOf({ cursor }: ScannedTo): { cursor?: string } {
  return cursor.byteLength === 0 ? {} : { cursor: cursor.toString('base64url') };
}
