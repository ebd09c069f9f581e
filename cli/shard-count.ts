import { InvalidArgumentError } from 'commander';

/** Reads a number of shards from the command line. */
export function shardCountUpTo(shardsMax: number): (text: string) => number {
  return (text) => {
    const shards = Number(text);
    if (/^\d+$/.test(text) && shards >= 1 && shards <= shardsMax) return shards;
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${shardsMax}.`);
  };
}
