/**
 * What is to be done in which second. Lifetimes are of any length, so a timer queue with one list per duration would
 * not do. Each item stands in it once; its second is written in the item.
 */

export interface Dueable {
  /** Unix second, 0 = never. Written by the wheel. */
  due: number;
}

export class DueWheel<Item extends Dueable> {
  readonly #seconds = new Map<number, Set<Item>>();
  /** What was due before this has been taken. */
  #next = 0;

  /** 0 takes it out. What is due in the past is taken next. */
  schedule(item: Item, second: number): void {
    const due = second === 0 ? 0 : Math.max(second, this.#next);
    if (item.due === due) return;
    this.cancel(item);
    if (due === 0) return;
    item.due = due;
    const items = this.#seconds.get(due);
    if (items === undefined) this.#seconds.set(due, new Set([item]));
    else items.add(item);
  }

  cancel(item: Item): void {
    if (item.due === 0) return;
    const items = this.#seconds.get(item.due);
    items?.delete(item);
    if (items?.size === 0) this.#seconds.delete(item.due);
    item.due = 0;
  }

  /** Takes out everything that is due by `second`. The clock may have jumped, either way. */
  take(second: number): Item[] {
    const taken: Item[] = [];
    const isLong = this.#next === 0 || second - this.#next > this.#seconds.size;
    if (isLong) {
      for (const due of this.#seconds.keys()) if (due <= second) this.#take(due, taken);
    } else for (let due = this.#next; due <= second; due++) this.#take(due, taken);
    this.#next = second + 1;
    return taken;
  }

  #take(due: number, taken: Item[]): void {
    for (const item of this.#seconds.get(due) ?? []) {
      item.due = 0;
      taken.push(item);
    }
    this.#seconds.delete(due);
  }
}
