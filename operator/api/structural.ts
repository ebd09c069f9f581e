/**
 * zod → the structural OpenAPI schema that a CRD wants.
 *
 * zod writes OpenAPI 3.0 itself; what is left is where Kubernetes is stricter:
 *   - quantities: `anyOf` integer and string, without a `type` beside it, as x-kubernetes-int-or-string asks;
 *   - bounds that zod adds to every integer (those of a double) say nothing and go;
 *   - keywords that a structural schema does not know are a programmer's mistake, found here and not in a cluster;
 *   - an object's default is written out with the defaults of its members: the API server fills in members after it has
 *     checked the default against the rules, and those would miss them;
 *   - every field has a description, which `kubectl explain` shows.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

export interface StructuralSchema {
  description?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  format?: string;
  enum?: string[];
  default?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  items?: StructuralSchema;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  additionalProperties?: StructuralSchema;
  anyOf?: { type: string }[];
  'x-kubernetes-int-or-string'?: true;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-validations'?: { rule: string; message: string }[];
}

/** In the order in which a node is written. */
const keywords = [
  'description',
  'type',
  'format',
  'anyOf',
  'x-kubernetes-int-or-string',
  'enum',
  'default',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
  'items',
  'required',
  'properties',
  'additionalProperties',
] as const satisfies readonly (keyof StructuralSchema)[];

/** The schema of what a user writes. Throws on a type that Kubernetes cannot express. */
export function structuralSchema(type: z.ZodType): StructuralSchema {
  const schema = z.toJSONSchema(type, { target: 'openapi-3.0', io: 'input', reused: 'inline' });
  return node(schema, '');
}

function node(from: Readonly<Record<string, unknown>>, path: string): StructuralSchema {
  const to: Record<string, unknown> = {};
  const isIntOrString = from['x-kubernetes-int-or-string'] === true;
  for (const keyword of keywords) {
    const value = from[keyword];
    if (value !== undefined) to[keyword] = converted(keyword, value, path);
  }
  for (const keyword of Object.keys(from)) {
    if (!(keywords as readonly string[]).includes(keyword)) {
      throw new Error(`${path || 'the schema'} has ${keyword}, which a structural schema does not know`);
    }
  }
  if (isIntOrString) to['anyOf'] = [{ type: 'integer' }, { type: 'string' }];
  if (Math.abs(Number(to['minimum'])) === Number.MAX_SAFE_INTEGER) delete to['minimum'];
  if (Math.abs(Number(to['maximum'])) === Number.MAX_SAFE_INTEGER) delete to['maximum'];
  if (isDeepStrictEqual(to['default'], {})) to['default'] = defaultsOf(to);
  if (to['type'] === undefined && !isIntOrString) throw new Error(`${path || 'the schema'} has no type`);
  return to;
}

function defaultsOf(schema: StructuralSchema): Record<string, unknown> {
  const members = Object.entries(schema.properties ?? {});
  return Object.fromEntries(members.flatMap(([name, member]) => ('default' in member ? [[name, member.default]] : [])));
}

function converted(keyword: (typeof keywords)[number], value: unknown, path: string): unknown {
  if (keyword === 'properties') {
    const members = Object.entries(value as Record<string, Record<string, unknown>>);
    return Object.fromEntries(members.map(([name, member]) => [name, described(member, `${path}.${name}`)]));
  }
  if (keyword === 'items') return node(value as Record<string, unknown>, `${path}[]`);
  if (keyword === 'additionalProperties') return node(value as Record<string, unknown>, `${path}{}`);
  // In JavaScript's regular expressions a slash is escaped; elsewhere it need not be.
  return keyword === 'pattern' ? String(value).replaceAll('\\/', '/') : value;
}

function described(from: Readonly<Record<string, unknown>>, path: string): StructuralSchema {
  if (typeof from['description'] !== 'string') throw new Error(`${path} has no description`);
  return node(from, path);
}
