/**
 * `npm run docs`: writes the generated pages of docs/. `npm run docs -- --check` only says which are out of date (exit
 * 1), which is what a test does.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeWireFormat } from '#cluster/wire-format.ts';
import { describeModules } from '#module/documentation.ts';
import { modules } from '#modules/index.ts';
import { describeTransactions } from '#transaction/diagram.ts';
import { collectErrorUses, writeErrorPage } from './error-codes.ts';
import { collectCodeClauses, collectTestClauses, writeRfcIndex } from './rfc-index.ts';

export interface GeneratedPage {
  readonly path: string;
  readonly write: () => string;
}

export const root = dirname(import.meta.dirname);

export const generatedPages: readonly GeneratedPage[] = [
  { path: 'docs/errors.md', write: () => writeErrorPage(collectErrorUses(root)) },
  { path: 'docs/modules.md', write: () => describeModules(modules) },
  {
    path: 'docs/rfc-index.md',
    write: () => writeRfcIndex(collectCodeClauses(root), collectTestClauses(root)),
  },
  { path: 'docs/transactions.md', write: describeTransactions },
  { path: 'docs/wire-format.md', write: describeWireFormat },
];

/** Paths of the pages that are not what their sources say. */
export function stalePages(): string[] {
  return generatedPages.filter((page) => readPage(page.path) !== page.write()).map((page) => page.path);
}

function readPage(path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}

if (import.meta.main) {
  const stale = stalePages();
  const checkOnly = process.argv.includes('--check');
  for (const page of generatedPages) {
    if (!stale.includes(page.path)) continue;
    if (!checkOnly) writeFileSync(join(root, page.path), page.write());
    console.log(`${page.path}: ${checkOnly ? 'out of date, npm run docs writes it' : 'written'}`);
  }
  if (checkOnly && stale.length > 0) process.exitCode = 1;
}
