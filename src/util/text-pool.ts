/**
 * One copy of texts that occur again and again (user agents, socket names), detached from the datagram they came in.
 * Bounded: a text that comes when the pool is full is handed back as a copy of its own.
 */

/** Some hundred devices and their versions make up nearly all of a network; strangers may send anything. */
const textsMax = 4096;

export class TextPool {
  readonly #texts = new Map<string, string>();

  /** A text equal to `text` (latin1) that pins no other. */
  share(text: string): string {
    if (text === '') return '';
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const copy = Buffer.from(text, 'latin1').toString('latin1');
    if (this.#texts.size < textsMax) this.#texts.set(copy, copy);
    return copy;
  }
}
