/**
 * A list. Operations: 1 push right text, 2 push left text, 3 insert place text, 4 set place text, 5 remove place,
 * 6 drop from the left count, 7 drop from the right count.
 */
import { storedTypes } from '../../../commands/stored-type.ts';
import { ChunkedSequence } from './chunked-sequence.ts';
import { type Collection, encodeAll, weightOf } from './collection.ts';
import { malformed, type OperationReader, OperationWriter } from './operations.ts';

const operations = { pushRight: 1, pushLeft: 2, insert: 3, set: 4, remove: 5, dropLeft: 6, dropRight: 7 } as const;

/** What an element takes in RAM beside its bytes; measured as growth of the heap. */
const elementOverheadBytes = 40;
const listOverheadBytes = 512;

export class List implements Collection {
  readonly type = storedTypes.list;
  readonly #elements = new ChunkedSequence<string>();
  #weight = 0;
  #textBytes = 0;

  get size(): number {
    return this.#elements.length;
  }

  get weight(): number {
    return this.#weight;
  }

  get memoryBytes(): number {
    return listOverheadBytes + this.size * elementOverheadBytes + this.#textBytes;
  }

  at(place: number): string {
    return this.#elements.at(place);
  }

  /** Elements from one place to another (exclusive). */
  range(from: number, to: number): Generator<string> {
    return this.#elements.upward(from, to);
  }

  /** Elements from the last place downward. */
  fromRight(): Generator<string> {
    return this.#elements.downward(this.size - 1, 0);
  }

  apply(reader: OperationReader): void {
    switch (reader.code()) {
      case operations.pushRight:
        return this.#insert(this.size, reader.text());
      case operations.pushLeft:
        return this.#insert(0, reader.text());
      case operations.insert:
        return this.#insert(reader.count(), reader.text());
      case operations.set: {
        const place = reader.count();
        this.#count(this.at(place), -1);
        const text = reader.text();
        this.#elements.set(place, text);
        return this.#count(text, 1);
      }
      case operations.remove:
        return this.#remove(reader.count());
      case operations.dropLeft:
        for (let left = reader.count(); left > 0; left--) this.#remove(0);
        return undefined;
      case operations.dropRight:
        for (let left = reader.count(); left > 0; left--) this.#remove(this.size - 1);
        return undefined;
      default:
        throw malformed();
    }
  }

  encode(): Buffer {
    return encodeAll(this);
  }

  write(writer: OperationWriter, from: number, to: number): void {
    for (const text of this.range(from, to)) writer.code(operations.pushRight).text(text);
  }

  #insert(place: number, text: string): void {
    if (place > this.size) throw malformed();
    this.#elements.insert(place, text);
    this.#count(text, 1);
  }

  #remove(place: number): void {
    if (place < 0 || place >= this.size) throw malformed();
    this.#count(this.#elements.remove(place), -1);
  }

  #count(text: string, sign: 1 | -1): void {
    this.#weight += sign * weightOf(text);
    this.#textBytes += sign * text.length;
  }
}

export class ListWriter extends OperationWriter {
  pushRight(text: string): this {
    return this.code(operations.pushRight).text(text);
  }

  pushLeft(text: string): this {
    return this.code(operations.pushLeft).text(text);
  }

  insert(place: number, text: string): this {
    return this.code(operations.insert).count(place).text(text);
  }

  set(place: number, text: string): this {
    return this.code(operations.set).count(place).text(text);
  }

  remove(place: number): this {
    return this.code(operations.remove).count(place);
  }

  drop(side: Side, count: number): this {
    return this.code(side === 'LEFT' ? operations.dropLeft : operations.dropRight).count(count);
  }

  push(side: Side, text: string): this {
    return side === 'LEFT' ? this.pushLeft(text) : this.pushRight(text);
  }
}

export type Side = 'LEFT' | 'RIGHT';
