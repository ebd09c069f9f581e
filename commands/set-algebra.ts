/**
 * Intersection, union and difference of sets and sorted sets, wherever their members were fetched from: a shard has them
 * in RAM, a router collects them from the shards.
 *
 * Members are latin1 strings. A set's members all have the score 1, as Redis has it where sets and sorted sets meet.
 */

export type Algebra = 'inter' | 'union' | 'diff';

/** Members of a set with a quick look whether one is there. */
export interface Members {
  readonly size: number;
  has(member: string): boolean;
  [Symbol.iterator](): Iterator<string>;
}

/** The members that the operation gives, at most `countMax` of them. */
export function combineSets(operation: Algebra, sets: readonly Members[], countMax = Infinity): string[] {
  if (operation === 'inter') return intersection(sets, countMax);
  if (operation === 'union') return [...new Set(sets.flatMap((set) => [...set]))].slice(0, countMax);
  const [first, ...others] = sets;
  const left: string[] = [];
  for (const member of first ?? []) if (!others.some((other) => other.has(member))) left.push(member);
  return left.slice(0, countMax);
}

function intersection(sets: readonly Members[], countMax: number): string[] {
  const [smallest, ...others] = sets.toSorted((one, other) => one.size - other.size);
  const common: string[] = [];
  for (const member of smallest ?? []) {
    if (common.length >= countMax) break;
    if (others.every((other) => other.has(member))) common.push(member);
  }
  return common;
}

export type Aggregate = 'sum' | 'min' | 'max';

/** Members with their scores. */
export type Scores = ReadonlyMap<string, number>;

export interface Scored {
  readonly member: string;
  readonly score: number;
}

/** What the operation gives of sorted sets, ordered by score and then by bytes. */
export function combineScores(
  operation: Algebra,
  sets: readonly Scores[],
  weights: readonly number[],
  aggregate: Aggregate,
): Scored[] {
  const result = new Map<string, number>();
  const members = combineSets(operation, sets.map(membersOf));
  for (const member of members) {
    let score: number | undefined;
    if (operation === 'diff') score = sets[0]!.get(member)!;
    else {
      for (const [index, set] of sets.entries()) {
        const present = set.get(member);
        if (present === undefined) continue;
        const weighed = withoutNaN(present * (weights[index] ?? 1));
        score = score === undefined ? weighed : aggregated(aggregate, score, weighed);
      }
    }
    result.set(member, score!);
  }
  return [...result].map(([member, score]) => ({ member, score })).sort(compareScored);
}

/** The order of a sorted set. Latin1 strings compare as their bytes do. */
export function compareScored(one: Scored, other: Scored): number {
  if (one.score !== other.score) return one.score < other.score ? -1 : 1;
  if (one.member === other.member) return 0;
  return one.member < other.member ? -1 : 1;
}

function membersOf(scores: Scores): Members {
  return { size: scores.size, has: (member) => scores.has(member), [Symbol.iterator]: () => scores.keys() };
}

function aggregated(aggregate: Aggregate, one: number, other: number): number {
  if (aggregate === 'min') return Math.min(one, other);
  if (aggregate === 'max') return Math.max(one, other);
  // Of infinities with opposite signs, Redis makes nothing rather than no number.
  return withoutNaN(one + other);
}

function withoutNaN(value: number): number {
  return Number.isNaN(value) ? 0 : value;
}
