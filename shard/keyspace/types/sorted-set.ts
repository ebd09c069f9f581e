/**
 * A sorted set: members with scores. Operations: 1 put score member, 2 remove member.
 *
 * Members lie in a table, for look-ups and scans, and with their scores in one sequence, ordered by score and then by
 * bytes, for ranks and ranges. A score that changes is a removal and an insert in the sequence.
 */
import { compareScored, type Scored } from '../../../commands/set-algebra.ts';
import { storedTypes } from '../../../commands/stored-type.ts';
import { ChunkedSequence } from './chunked-sequence.ts';
import { type Collection, encodeAll, weightOf } from './collection.ts';
import { MemberTable, type TablePage } from './member-table.ts';
import { malformed, type OperationReader, OperationWriter } from './operations.ts';

const operationPut = 1;
const operationRemove = 2;

/** What a member takes in RAM beside its bytes; measured as growth of the heap. */
const memberOverheadBytes = 156;
const sortedSetOverheadBytes = 1_024;
/** What a score adds to a member's weight. */
const scoreBytes = 8;

export class SortedSet implements Collection {
  readonly type = storedTypes.zset;
  readonly #members = new MemberTable();
  readonly #scores: number[] = [];
  readonly #ordered = new ChunkedSequence<Scored>();
  #weight = 0;
  #textBytes = 0;

  get size(): number {
    return this.#members.size;
  }

  get weight(): number {
    return this.#weight;
  }

  get memoryBytes(): number {
    return sortedSetOverheadBytes + this.size * memberOverheadBytes + this.#textBytes;
  }

  scoreOf(member: string): number | undefined {
    return this.#scores[this.#members.placeOf(member)];
  }

  nameAt(place: number): string {
    return this.#members.names[place]!;
  }

  scoreAt(place: number): number {
    return this.#scores[place]!;
  }

  page(cursor: number, count: number): TablePage {
    return this.#members.page(cursor, count);
  }

  /** The member's rank from 0; undefined if it is not there. */
  rankOf(member: string): number | undefined {
    const score = this.scoreOf(member);
    return score === undefined ? undefined : this.#placeOf({ member, score });
  }

  atRank(rank: number): Scored {
    return this.#ordered.at(rank);
  }

  /** The rank of the first member of which `isBefore` is false. */
  firstRank(isBefore: (item: Scored) => boolean): number {
    return this.#ordered.lowerBound(isBefore);
  }

  /** Members by rank, from one to another (exclusive). */
  range(from: number, to: number): Generator<Scored> {
    return this.#ordered.upward(from, to);
  }

  apply(operations: OperationReader): void {
    const code = operations.code();
    if (code === operationPut) {
      const score = operations.number();
      this.#put(operations.text(), score);
    } else if (code === operationRemove) this.#remove(operations.text());
    else throw malformed();
  }

  encode(): Buffer {
    return encodeAll(this);
  }

  write(writer: OperationWriter, from: number, to: number): void {
    for (let place = from; place < to; place++) {
      writer.code(operationPut).number(this.scoreAt(place)).text(this.nameAt(place));
    }
  }

  #placeOf(item: Scored): number {
    return this.#ordered.lowerBound((other) => compareScored(other, item) < 0);
  }

  #put(member: string, score: number): void {
    const place = this.#members.placeOf(member);
    if (place < 0) {
      this.#members.add(member);
      this.#scores.push(score);
      this.#weight += memberWeight(member);
      this.#textBytes += member.length;
    } else {
      this.#ordered.remove(this.#placeOf({ member, score: this.#scores[place]! }));
      this.#scores[place] = score;
    }
    this.#ordered.insert(this.#placeOf({ member, score }), { member, score });
  }

  #remove(member: string): void {
    const place = this.#members.placeOf(member);
    if (place < 0) return;
    this.#ordered.remove(this.#placeOf({ member, score: this.#scores[place]! }));
    this.#members.removeAt(place);
    const last = this.#scores.pop()!;
    if (place < this.#scores.length) this.#scores[place] = last;
    this.#weight -= memberWeight(member);
    this.#textBytes -= member.length;
  }
}

/** What a member counts, with its score. */
export function memberWeight(member: string): number {
  return weightOf(member) + scoreBytes;
}

export class SortedSetWriter extends OperationWriter {
  put(member: string, score: number): this {
    return this.code(operationPut).number(score).text(member);
  }

  remove(member: string): this {
    return this.code(operationRemove).text(member);
  }
}
