/** A hash: fields with values. Operations: 1 put field value, 2 delete field. */
import { storedTypes } from '../../../commands/stored-type.ts';
import { type Collection, encodeAll, weightOf } from './collection.ts';
import { MemberTable, type TablePage } from './member-table.ts';
import { malformed, type OperationReader, OperationWriter } from './operations.ts';

const operationPut = 1;
const operationDelete = 2;

/** What a field takes in RAM beside the bytes of field and value; measured as growth of the heap. */
const fieldOverheadBytes = 112;
const hashOverheadBytes = 512;

export class Hash implements Collection {
  readonly type = storedTypes.hash;
  readonly #fields = new MemberTable();
  readonly #values: string[] = [];
  #weight = 0;
  #textBytes = 0;

  get size(): number {
    return this.#fields.size;
  }

  get weight(): number {
    return this.#weight;
  }

  get memoryBytes(): number {
    return hashOverheadBytes + this.size * fieldOverheadBytes + this.#textBytes;
  }

  get(field: string): string | undefined {
    return this.#values[this.#fields.placeOf(field)];
  }

  has(field: string): boolean {
    return this.#fields.has(field);
  }

  nameAt(place: number): string {
    return this.#fields.names[place]!;
  }

  valueAt(place: number): string {
    return this.#values[place]!;
  }

  page(cursor: number, count: number): TablePage {
    return this.#fields.page(cursor, count);
  }

  apply(operations: OperationReader): void {
    const code = operations.code();
    if (code === operationPut) this.#put(operations.text(), operations.text());
    else if (code === operationDelete) this.#delete(operations.text());
    else throw malformed();
  }

  encode(): Buffer {
    return encodeAll(this);
  }

  write(writer: OperationWriter, from: number, to: number): void {
    for (let place = from; place < to; place++) {
      writer.code(operationPut).text(this.nameAt(place)).text(this.valueAt(place));
    }
  }

  #put(field: string, value: string): void {
    const place = this.#fields.placeOf(field);
    if (place < 0) {
      this.#fields.add(field);
      this.#values.push(value);
      this.#count(weightOf(field, value), field.length + value.length);
      return;
    }
    const growth = value.length - this.#values[place]!.length;
    this.#values[place] = value;
    this.#count(growth, growth);
  }

  #delete(field: string): void {
    const place = this.#fields.placeOf(field);
    if (place < 0) return;
    const value = this.#values[place]!;
    this.#fields.removeAt(place);
    const last = this.#values.pop()!;
    if (place < this.#values.length) this.#values[place] = last;
    this.#count(-weightOf(field, value), -field.length - value.length);
  }

  #count(weight: number, textBytes: number): void {
    this.#weight += weight;
    this.#textBytes += textBytes;
  }
}

export class HashWriter extends OperationWriter {
  put(field: string, value: string): this {
    return this.code(operationPut).text(field).text(value);
  }

  delete(field: string): this {
    return this.code(operationDelete).text(field);
  }
}
