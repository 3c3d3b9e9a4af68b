/** Reads a script from the disk with all modules known. */

import { readFileSync } from 'node:fs';
import { type LoadedScript, loadScript } from '#module/load.ts';
import { modules } from '#modules/index.ts';
import type { Diagnostic } from '#script/diagnostic.ts';
import { Failure } from '#util/failure.ts';

export function loadFile(path: string): LoadedScript | readonly Diagnostic[] | Failure {
  try {
    const text = readFileSync(path, 'latin1');
    return loadScript({ path, text, modules, readFile: (name) => readFileSync(name, 'latin1') });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    return new Failure('SERVER_SCRIPT_UNREADABLE', `cannot be read (${code})`);
  }
}
