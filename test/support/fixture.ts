/** Messages of test/fixture, as latin1 text: one character is one byte. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'fixture');

/** `path` without `.dat`: `rfc4475/wsinv`. */
export function fixture(path: string): string {
  return readFileSync(join(folder, `${path}.dat`), 'latin1');
}

/** Names of all messages of a folder, sorted. */
export function fixtureNames(group: string): string[] {
  return readdirSync(join(folder, group))
    .filter((name) => name.endsWith('.dat'))
    .map((name) => name.slice(0, -'.dat'.length))
    .sort();
}
