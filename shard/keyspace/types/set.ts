/** A set: members. Operations: 1 add member, 2 remove member. */
import { storedTypes } from '../../../commands/stored-type.ts';
import { type Collection, encodeAll, weightOf } from './collection.ts';
import { MemberTable, type TablePage } from './member-table.ts';
import { malformed, type OperationReader, OperationWriter } from './operations.ts';

const operationAdd = 1;
const operationRemove = 2;

/** What a member takes in RAM beside its bytes; measured as growth of the heap. */
const memberOverheadBytes = 80;
const setOverheadBytes = 448;

export class MemberSet implements Collection {
  readonly type = storedTypes.set;
  readonly #members = new MemberTable();
  #weight = 0;
  #textBytes = 0;

  get size(): number {
    return this.#members.size;
  }

  get weight(): number {
    return this.#weight;
  }

  get memoryBytes(): number {
    return setOverheadBytes + this.size * memberOverheadBytes + this.#textBytes;
  }

  /** All members; nobody writes into it. */
  get members(): readonly string[] {
    return this.#members.names;
  }

  has(member: string): boolean {
    return this.#members.has(member);
  }

  nameAt(place: number): string {
    return this.#members.names[place]!;
  }

  page(cursor: number, count: number): TablePage {
    return this.#members.page(cursor, count);
  }

  apply(operations: OperationReader): void {
    const code = operations.code();
    const member = operations.text();
    if (code === operationAdd) this.#add(member);
    else if (code === operationRemove) this.#remove(member);
    else throw malformed();
  }

  encode(): Buffer {
    return encodeAll(this);
  }

  write(writer: OperationWriter, from: number, to: number): void {
    for (let place = from; place < to; place++) writer.code(operationAdd).text(this.nameAt(place));
  }

  #add(member: string): void {
    if (this.has(member)) return;
    this.#members.add(member);
    this.#weight += weightOf(member);
    this.#textBytes += member.length;
  }

  #remove(member: string): void {
    const place = this.#members.placeOf(member);
    if (place < 0) return;
    this.#members.removeAt(place);
    this.#weight -= weightOf(member);
    this.#textBytes -= member.length;
  }
}

export class SetWriter extends OperationWriter {
  add(member: string): this {
    return this.code(operationAdd).text(member);
  }

  remove(member: string): this {
    return this.code(operationRemove).text(member);
  }
}
