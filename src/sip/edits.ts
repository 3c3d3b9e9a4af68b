/**
 * Changes to a message, kept as offsets into its text and applied once, when it leaves. What no edit touches leaves
 * byte-identical.
 */

/** One change, as it can be sent elsewhere. */
export interface PlainEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly order: number;
}

export class MessageEdits {
  #edits: Edit[] = [];

  get count(): number {
    return this.#edits.length;
  }

  /** Several inserts at one offset stand in the order in which they were made. */
  insert(offset: number, text: string): void {
    this.#edits.push({ start: offset, end: offset, text, order: this.#edits.length });
  }

  remove(start: number, end: number): void {
    this.#edits.push({ start, end, text: '', order: this.#edits.length });
  }

  replace(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text, order: this.#edits.length });
  }

  /** Replaces a range; what was put in the place of exactly that range before is forgotten. */
  overwrite(start: number, end: number, text: string): void {
    const index = this.#edits.findIndex((edit) => edit.start === start && edit.end === end);
    if (index === -1) this.replace(start, end, text);
    else this.#edits[index] = { start, end, text, order: index };
  }

  /** True when the range, or a part of it, was removed or replaced already. */
  touches(start: number, end: number): boolean {
    return this.#edits.some((edit) => edit.start < end && edit.end > start);
  }

  /** True when something beginning with `lead` is to be inserted at that offset already. */
  insertsAt(offset: number, lead: string): boolean {
    return this.#edits.some((edit) => edit.start === offset && edit.text.startsWith(lead));
  }

  /** In the order in which they were made; `replace` makes them again. */
  list(): readonly PlainEdit[] {
    return this.#edits;
  }

  clone(): MessageEdits {
    const copy = new MessageEdits();
    if (this.#edits.length > 0) copy.#edits = this.#edits.slice();
    return copy;
  }

  /** Those in the range, by their place and then in the order in which they were made. A handful: they are inserted. */
  #within(from: number, to: number): Edit[] {
    const sorted: Edit[] = [];
    for (const edit of this.#edits) {
      if (edit.start < from || edit.end > to) continue;
      let at = sorted.length;
      sorted.push(edit);
      for (; at > 0 && isBehind(sorted[at - 1]!, edit); at--) sorted[at] = sorted[at - 1]!;
      sorted[at] = edit;
    }
    return sorted;
  }

  /** The part of `text` from `from` to `to` with the edits in it applied. Overlapping removals merge. */
  apply(text: string, from = 0, to = text.length): string {
    if (this.#edits.length === 0) return text.slice(from, to);
    const edits = this.#within(from, to);
    let result = '';
    let position = from;
    for (const edit of edits) {
      if (edit.start > position) {
        result += text.slice(position, edit.start);
        position = edit.start;
      }
      result += edit.text;
      if (edit.end > position) position = edit.end;
    }
    return result + text.slice(position, to);
  }
}

function isBehind(a: Edit, b: Edit): boolean {
  return a.start > b.start || (a.start === b.start && a.order > b.order);
}
