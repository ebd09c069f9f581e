/**
 * A call in ioredis' way as a command's binary arguments, as ioredis 6 itself writes them (its Command.js): arrays are
 * flattened one level, objects and Maps of fields become pairs, numbers decimal text, null and undefined nothing.
 */

/** What a method of ioredis takes as an argument. */
export type EngineArgument = string | number | bigint | boolean | Buffer | null | undefined | object;

/** Commands whose pairs may come as one object or Map, and where. */
const pairsAt: ReadonlyMap<string, number> = new Map([
  ['MSET', 0],
  ['MSETNX', 0],
  ['HSET', 1],
  ['HMSET', 1],
]);

/** `args` without a callback. Throws TypeError for what is no argument. */
export function commandArguments(name: string, args: readonly EngineArgument[]): Buffer[] {
  const at = pairsAt.get(name);
  const pairs = at !== undefined && args.length === at + 1 ? pairsOf(args[at]) : undefined;
  const flat = pairs === undefined ? args.flat() : [...args.slice(0, at), ...pairs];
  return flat.map((argument) => bytesOf(name, argument));
}

function pairsOf(argument: EngineArgument): EngineArgument[] | undefined {
  if (typeof argument !== 'object' || argument === null || Array.isArray(argument) || Buffer.isBuffer(argument)) {
    return undefined;
  }
  const entries = argument instanceof Map ? [...(argument as Map<string, string>)] : Object.entries(argument);
  return entries.flat() as EngineArgument[];
}

function bytesOf(name: string, argument: EngineArgument): Buffer {
  // A copy: the engine keeps what it is given, and a caller may use its buffer again.
  if (Buffer.isBuffer(argument)) return Buffer.from(argument);
  if (argument === null || argument === undefined) return Buffer.alloc(0);
  if (typeof argument === 'object') {
    throw new TypeError(`${name.toLowerCase()} takes strings, numbers and Buffers, not ${typeNameOf(argument)}`);
  }
  return Buffer.from(String(argument));
}

function typeNameOf(value: object): string {
  return value.constructor?.name ?? 'an object';
}
