/** Names of /etc/hosts. Read again when it may have changed, and only when a name is asked for. */

import { readFile } from 'node:fs';
import { isIp } from '#util/ip-address.ts';

const readAgainMilliseconds = 5000;
/** A file of more lines is somebody's list of advertisers. */
const namesMax = 100_000;

type Done = (addresses: readonly string[] | null) => void;

export class HostFile {
  readonly #path: string;
  readonly #monotonic: () => number;
  #names: ReadonlyMap<string, readonly string[]> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: (() => void)[] | null = null;

  constructor(monotonic: () => number, path = '/etc/hosts') {
    this.#monotonic = monotonic;
    this.#path = path;
  }

  /** `name`: lower case. Null: the file does not have it. */
  find(name: string, done: Done): void {
    const answer = (): void => done(this.#names.get(name) ?? null);
    if (this.#reading !== null) this.#reading.push(answer);
    else if (this.#monotonic() - this.#readAt < readAgainMilliseconds) answer();
    else this.#read(answer);
  }

  #read(answer: () => void): void {
    const waiting = [answer];
    this.#reading = waiting;
    readFile(this.#path, 'latin1', (error, text) => {
      // Without the file there are no names in it.
      this.#names = error === null ? parseHosts(text) : new Map();
      this.#readAt = this.#monotonic();
      this.#reading = null;
      for (const run of waiting) run();
    });
  }
}

/** hosts(5): an address and its names on each line; what is no address is skipped. */
export function parseHosts(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!isIp(address)) continue;
    for (const alias of aliases) {
      const name = alias.toLowerCase();
      const known = names.get(name);
      if (known !== undefined) known.push(address);
      else if (names.size < namesMax) names.set(name, [address]);
    }
  }
  return names;
}
