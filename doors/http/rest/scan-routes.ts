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
            cursor: nextCursor,
          }),
        },
      },
      handle: async ({ query: { prefix, limit, cursor }, context }) => {
        const found = await scan(run, { prefix, limit, cursor, what: 'VALUES' }, context);
        if (found instanceof ReplyError) return failure('scan keys', found);
        const pairs: [Buffer, Buffer][] = [];
        for (let at = 0; at < found.items.length; at += 2) pairs.push([found.items[at]!, found.items[at + 1]!]);
        pairs.sort(([a], [b]) => Buffer.compare(a, b));
        return json(200, { prefix, limit, count: pairs.length, ...shownPairs(pairs), ...cursorOf(found) });
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
        const found = await scan(run, { prefix, limit, cursor, what: 'KEYS' }, context);
        if (found instanceof ReplyError) return failure('scan keys', found);
        const keys = found.items.sort(Buffer.compare).map(shownKey);
        return json(200, { prefix, keys, ...cursorOf(found) });
      },
    }),
  ];
}

interface Scan {
  readonly prefix: string;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly what: 'KEYS' | 'VALUES';
}

interface Scanned {
  /** Keys, or keys and values in turn. */
  readonly items: Buffer[];
  readonly cursor: Buffer;
}

async function scan(
  run: Run,
  { prefix, limit, cursor, what }: Scan,
  context: CommandContext,
): Promise<Scanned | ReplyError> {
  const step = what === 'KEYS' ? 1 : 2;
  const items: Buffer[] = [];
  let bytes = 0;
  let at: Buffer = Buffer.from(cursor ?? '', 'base64url');
  do {
    const left = `${limit - items.length / step}`;
    const reply = await run('PREFIXSCAN', [at, prefix, left, what], context);
    if (reply instanceof ReplyError) return reply;
    const [next, page] = reply as [Buffer, Reply[]];
    for (const item of page) {
      const part = valueBytes(item);
      bytes += part.byteLength;
      items.push(part);
    }
    at = next;
  } while (at.byteLength > 0 && items.length / step < limit && bytes < httpValueBytesMax && !context.signal?.aborted);
  return { items, cursor: at };
}

function cursorOf({ cursor }: Scanned): { cursor?: string } {
  return cursor.byteLength === 0 ? {} : { cursor: cursor.toString('base64url') };
}
