/**
 * A route: what the door serves at a path, declared once. The routing table finds requests by it, the door checks
 * parameters and bodies by its schemas, and the OpenAPI document is made of it, so that none of the three can say
 * something that the others do not.
 *
 * A path has at most one parameter, `{key}`, at its end, and it takes all that is left: percent-encoded bytes, slashes
 * too, so that every key has a path.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { CommandContext } from '../../commands/command.ts';
import type { Answer } from './answer.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** What a route is asked. */
export interface RouteCall<Query = unknown, Body = unknown> {
  /** The path's parameter as bytes; empty where the path has none. */
  readonly parameter: Buffer;
  readonly query: Query;
  readonly body: Body;
  readonly headers: IncomingHttpHeaders;
  readonly context: CommandContext;
}

/** One answer of a route, for the document. */
export interface DeclaredAnswer {
  readonly description: string;
  /** JSON of this shape. */
  readonly schema?: z.ZodType;
  /** Another type of content than JSON. */
  readonly type?: string;
}

interface RouteText {
  readonly method: Method;
  readonly path: string;
  /** Unique, for generated clients: `getKey`. */
  readonly operation: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** By status. Faults that every route may answer are added by openapi.ts. */
  readonly answers: Readonly<Record<number, DeclaredAnswer>>;
  /** Whether everybody may ask, without certificate or credentials. */
  readonly isOpen?: boolean;
}

/** `bytes`: the body as it comes, such as a file. */
export type DeclaredBody = { readonly kind: 'json'; readonly schema: z.ZodType } | { readonly kind: 'bytes' };

export interface Route extends RouteText {
  readonly query?: z.ZodObject;
  readonly body?: DeclaredBody;
  readonly handle: (call: RouteCall) => Answer | Promise<Answer>;
}

const nothing = z.object({});

/** A route with a typed handler: JSON in the body, or none. */
export function route<Query extends z.ZodObject = typeof nothing, Body extends z.ZodType = z.ZodUndefined>(
  declared: RouteText & {
    readonly query?: Query;
    readonly json?: Body;
    readonly handle: (call: RouteCall<z.infer<Query>, z.infer<Body>>) => Answer | Promise<Answer>;
  },
): Route {
  const { json, handle, ...rest } = declared;
  return { ...rest, ...(json && { body: { kind: 'json', schema: json } }), handle: handle as Route['handle'] };
}

/** A route whose body is bytes. */
export function bytesRoute<Query extends z.ZodObject = typeof nothing>(
  declared: RouteText & {
    readonly query?: Query;
    readonly handle: (call: RouteCall<z.infer<Query>, Buffer>) => Answer | Promise<Answer>;
  },
): Route {
  const { handle, ...rest } = declared;
  return { ...rest, body: { kind: 'bytes' }, handle: handle as Route['handle'] };
}

/** What a schema finds wrong, in one line. */
export function faultsOf(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ');
}
