/** What the families of sorted-set commands share: replies with scores, and the edit that removes. */
import type { Reply } from '../../../commands/reply.ts';
import { formatScore } from '../../../commands/score.ts';
import type { Scored } from '../../../commands/set-algebra.ts';
import type { Collections, Edit } from '../collections.ts';
import { memberWeight, type SortedSet, SortedSetWriter } from './sorted-set.ts';
import { bytesOf } from './texts.ts';

export type SortedSets = Collections<SortedSet>;

export function scoreBytes(score: number): Buffer {
  return bytesOf(formatScore(score));
}

/** Members, with scores in between if wanted. */
export function membersReply(items: Iterable<Scored>, withScores: boolean): Reply[] {
  const reply: Reply[] = [];
  for (const { member, score } of items) {
    reply.push(bytesOf(member));
    if (withScores) reply.push(scoreBytes(score));
  }
  return reply;
}

/** The edit that removes these members, which are there. */
export function removing(set: SortedSet, members: Iterable<string>): { readonly edit: Edit; readonly count: number } {
  const writer = new SortedSetWriter();
  let count = 0;
  let growth = 0;
  for (const member of members) {
    writer.remove(member);
    growth -= memberWeight(member);
    count += 1;
  }
  return { edit: { operations: writer.finish(), growth, remaining: set.size - count }, count };
}
