/**
 * Members in places: found by name, taken at random, and listed page by page while they come and go.
 *
 *   places   name → place                  names   │ a │ b │ c │ d │
 *   delete b                                       │ a │ d │ c │         the last one moves into the gap
 *
 * A page goes from high places to low ones. What moves into a gap comes from the end, so it may be seen twice, but a
 * member that is there all the while is never left out: the promise of SCAN. The cursor is the place at which the next
 * page begins, counted from 1; 0 is the end.
 */
import { PlaceMap } from './place-map.ts';

export interface TablePage {
  /** Places from high to low. */
  readonly from: number;
  readonly to: number;
  readonly next: number;
}

export class MemberTable {
  readonly names: string[] = [];
  readonly #places = new PlaceMap(this.names);

  get size(): number {
    return this.names.length;
  }

  /** The member's place, or -1. */
  placeOf(name: string): number {
    return this.#places.placeOf(name);
  }

  has(name: string): boolean {
    return this.placeOf(name) >= 0;
  }

  /** The place of a member that was not there. */
  add(name: string): number {
    const place = this.names.push(name) - 1;
    this.#places.add(name, place);
    return place;
  }

  /** Takes out the member of a place; the member of the last place has moved there. */
  removeAt(place: number): void {
    this.#places.remove(this.names[place]!, place);
    const last = this.names.pop()!;
    if (place === this.names.length) return;
    this.names[place] = last;
    this.#places.move(last, this.names.length, place);
  }

  /** A page of about `count` members from `cursor` down; a cursor of 0 begins at the top. */
  page(cursor: number, count: number): TablePage {
    const top = cursor === 0 ? this.size : Math.min(cursor, this.size);
    const bottom = Math.max(0, top - count);
    return { from: top - 1, to: bottom, next: bottom };
  }
}
