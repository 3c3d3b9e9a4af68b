/** The version of the program, as package.json says it. */

import { readFileSync } from 'node:fs';

function readVersion(): string {
  for (const place of ['../../package.json', '../package.json']) {
    try {
      const text = readFileSync(new URL(place, import.meta.url), 'utf8');
      const { version } = JSON.parse(text) as { version?: string };
      if (version !== undefined) return version;
    } catch {
      // In the published package the file is one folder nearer.
    }
  }
  return '0.0.0';
}

export const anyviaVersion: string = readVersion();
