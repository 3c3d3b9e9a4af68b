/** Datagrams that the kernel dropped because a socket's queue was full, as /proc/net/udp counts them. */

/** Drops between two looks that are no accident, and looks in a row. */
const dropsMin = 50;
const looksMin = 3;
const goodLooksMin = 10;

/** Sum of the drops of sockets bound to one of `ports`; `text` is /proc/net/udp, /proc/net/udp6, or both. */
export function dropsOf(text: string, ports: ReadonlySet<number>): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
    if (ports.has(port)) sum += Number(fields.at(-1)) || 0;
  }
  return sum;
}

export class Overflow {
  #last = -1;
  #bad = 0;
  #good = 0;
  #isOverflowing = false;

  get isOverflowing(): boolean {
    return this.#isOverflowing;
  }

  /** `drops`: all since the sockets were opened. */
  look(drops: number): void {
    const fresh = this.#last < 0 ? 0 : drops - this.#last;
    this.#last = drops;
    if (fresh >= dropsMin) {
      this.#bad++;
      this.#good = 0;
    } else {
      this.#good++;
      this.#bad = 0;
    }
    if (this.#bad >= looksMin) this.#isOverflowing = true;
    if (this.#good >= goodLooksMin) this.#isOverflowing = false;
  }
}
