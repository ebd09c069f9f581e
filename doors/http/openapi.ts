/**
 * The OpenAPI 3.1 document of the routes that a door serves. Everything in it comes from the routes' own declarations,
 * whose schemas check what arrives; tests check the answers.
 */
import { z } from 'zod';
import { json } from './answer.ts';
import { faultSchema } from './rest/rest-parts.ts';
import { type DeclaredAnswer, type Route, route } from './route.ts';

export interface ApiInfo {
  readonly version: string;
  /** Which credentials are asked for. */
  readonly security: readonly ('token' | 'password')[];
}

/** The route that serves the document of these routes and of itself. */
export function documentRoute(routes: readonly Route[], info: ApiInfo): Route {
  let document: object | undefined;
  const self: Route = route({
    method: 'GET',
    path: '/openapi.json',
    operation: 'getDocument',
    tag: 'watching',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: z.record(z.string(), z.unknown()) } },
    handle: () => json(200, (document ??= openApiDocument([...routes, self], info))),
  });
  return self;
}

type JsonObject = Record<string, unknown>;

const faultReference = { 'application/json': { schema: { $ref: '#/components/schemas/Fault' } } };

/** What every route may answer besides what it declares. */
const sharedAnswers: Readonly<Record<string, string>> = {
  400: 'The request is malformed; the text says what would be right.',
  500: 'It failed.',
  503: 'Not now: try again.',
};

export function openApiDocument(routes: readonly Route[], { version, security }: ApiInfo): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const item of routes) {
    paths[item.path] = { ...paths[item.path], [item.method.toLowerCase()]: operationOf(item, security.length > 0) };
  }
  const schemes = { token: { type: 'http', scheme: 'bearer' }, password: { type: 'http', scheme: 'basic' } };
  return {
    openapi: '3.1.0',
    info: {
      title: 'kvcache',
      version,
      description: 'The HTTP door of kvcache: keys, configuration, prompt blocks, and what the dashboard shows.',
    },
    paths,
    components: {
      schemas: { Fault: schemaOf(faultSchema, 'output') },
      ...(security.length > 0 && {
        securitySchemes: Object.fromEntries(security.map((kind) => [kind, schemes[kind]])),
      }),
    },
    ...(security.length > 0 && { security: security.map((kind) => ({ [kind]: [] })) }),
  };
}

function operationOf(declared: Route, asksForCredentials: boolean): JsonObject {
  const { operation, tag, summary, description, query, body, answers, path, isOpen } = declared;
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  const faults = {
    ...sharedAnswers,
    ...(asksForCredentials && !isOpen && { 401: 'No credentials that are accepted.' }),
  };
  const responses: Record<string, JsonObject> = {};
  for (const [status, text] of Object.entries(faults))
    responses[status] = { description: text, content: faultReference };
  for (const [status, answer] of Object.entries(answers)) responses[status] = answerOf(answer);
  return {
    operationId: operation,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(isOpen && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: contentOf(body) } }),
    responses,
  };
}

function contentOf(body: NonNullable<Route['body']>): JsonObject {
  if (body.kind === 'json') return { 'application/json': { schema: schemaOf(body.schema, 'input') } };
  return { 'application/octet-stream': {} };
}

function answerOf({ description, schema, type }: DeclaredAnswer): JsonObject {
  if (schema) return { description, content: { 'application/json': { schema: schemaOf(schema, 'output') } } };
  return { description, ...(type !== undefined && { content: { [type]: {} } }) };
}

function pathParameters(path: string): JsonObject[] {
  const name = /\{([^}]+)\}$/.exec(path)?.[1];
  if (name === undefined) return [];
  const description = 'Percent-encoded bytes.';
  return [{ name, in: 'path', required: true, description, schema: { type: 'string' } }];
}

function queryParameters(query: z.ZodObject | undefined): JsonObject[] {
  if (query === undefined) return [];
  const { properties, required = [] } = schemaOf(query, 'input') as {
    properties: Record<string, JsonObject>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
