/**
 * The vocabulary in which the KVCache API is declared: zod types that carry what Kubernetes wants to know besides.
 *
 * A zod type's metadata travel into the OpenAPI schema of the CRD as they stand, so `x-kubernetes-…` keywords and CEL
 * rules stand beside the field that they are about. zod itself does not evaluate CEL: admission does, and the operator
 * reads only what was admitted. Checking the rules a second time in TypeScript was rejected, for two copies of a rule
 * drift apart.
 *
 * Every string, list and map has a bound, not for their own sake but because the API server estimates the cost of a
 * rule from the largest input that the schema lets through, and refuses a CRD whose estimate is too high.
 */
import { z } from 'zod';

/** A rule in CEL, evaluated by the API server. `oldSelf` makes it one about changes. */
export interface Rule {
  readonly rule: string;
  /**
   * What is wrong and what would be right, as one sentence. No messageExpression: the API server prices a text that a
   * rule puts together as if it could be of any length, and refuses the CRD.
   */
  readonly message: string;
}

export interface FieldDetails {
  readonly rules?: readonly Rule[];
  /** Further keywords of the OpenAPI schema, such as `format`. */
  readonly keywords?: Readonly<Record<string, unknown>>;
}

/** Gives a type its description, rules and keywords. */
export function field<Type extends z.ZodType>(type: Type, description: string, details: FieldDetails = {}): Type {
  const { rules = [], keywords = {} } = details;
  return type.meta({
    description,
    ...keywords,
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules }),
  });
}

/** An object that is there even where it is not given, with its members' defaults. */
export function group<Type extends z.ZodObject>(
  type: Type,
  description: string,
  details: FieldDetails = {},
): z.ZodPrefault<Type> {
  return field(type.prefault({} as z.input<Type>), description, details);
}

export function int32(range: { readonly min: number; readonly max: number }): z.ZodInt {
  return z.int().min(range.min).max(range.max).meta({ format: 'int32' });
}

/** A count without a natural bound. */
export function int64(): z.ZodInt {
  return z.int().min(0).meta({ format: 'int64' });
}

export function text(charsMax: number): z.ZodString {
  return z.string().max(charsMax);
}

export function nonEmptyText(charsMax: number): z.ZodString {
  return z.string().min(1).max(charsMax);
}

const quantityPattern = /^\+?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]+))?$/;
export const quantityCharsMax = 32;

export type Quantity = string | number;

/** A Kubernetes quantity such as 500m, 2Gi or 1073741824. */
export function quantity(): z.ZodUnion<readonly [z.ZodInt, z.ZodString]> {
  return z.union([z.int(), z.string().max(quantityCharsMax).regex(quantityPattern)]).meta({
    'x-kubernetes-int-or-string': true,
    maxLength: quantityCharsMax,
    pattern: quantityPattern.source,
  });
}

export const durationPattern = /^[0-9]+(ms|s|m|h)$/;

/** A duration as CEL, Go and our settings all read it: one number and one unit. */
export function duration(): z.ZodString {
  return z.string().max(16).regex(durationPattern);
}

/** The name of an object in the cache's namespace. */
export function objectName(): z.ZodString {
  return z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
}

/** A list in which Kubernetes merges by these keys, so that several managers may each own some of its items. */
export function listMap<Type extends z.ZodType>(
  item: Type,
  keys: readonly string[],
  itemsMax: number,
): z.ZodArray<Type> {
  return z.array(item).max(itemsMax).meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });
}

/** Labels. */
export function labelMap(entriesMax: number): z.ZodRecord<z.ZodString, z.ZodString> {
  const value = z
    .string()
    .max(63)
    .regex(/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/);
  return z.record(z.string(), value).meta({ maxProperties: entriesMax });
}

/** Annotations, or selectors. */
export function stringMap(entriesMax: number, charsMax: number): z.ZodRecord<z.ZodString, z.ZodString> {
  return z.record(z.string(), z.string().max(charsMax)).meta({ maxProperties: entriesMax });
}

/** Refuses a change of a member, its appearance and its disappearance. `self` is the object around it. */
export function immutable(member: string, message: string): Rule {
  return {
    rule: `has(self.${member}) == has(oldSelf.${member}) && (!has(self.${member}) || self.${member} == oldSelf.${member})`,
    message,
  };
}
