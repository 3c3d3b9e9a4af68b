/** Who may import whom. The table is the design; a wrong arrow is mended in the importing file, not here. */

import { describe, expect, it } from 'vitest';
import { codeOf, describeImport, type ImportLine, importsOf, sourcesOf } from './source-files.ts';

/** Layers with domain logic and no input or output. */
const pureLayers = ['util', 'sip', 'transaction', 'proxy', 'dialog', 'registrar', 'cluster'] as const;

const everything = '*';
/** Layer → layers it may import, beside itself. */
const allowed: Readonly<Record<string, readonly string[] | typeof everything>> = {
  util: [],
  sip: ['util'],
  transaction: ['util', 'sip'],
  proxy: ['util', 'sip', 'transaction'],
  dialog: ['util', 'sip'],
  registrar: ['util', 'sip'],
  cluster: ['util'],
  script: ['util'],
  module: ['util', 'script', 'sip'],
  modules: ['util', 'module', 'sip', 'transaction', 'proxy', 'dialog', 'registrar', 'cluster'],
  // The ports they implement are declared by the layer that needs them.
  net: ['util', 'sip', 'transaction', 'cluster', 'module'],
  db: ['util', 'cluster', 'dialog', 'registrar', 'module'],
  cli: ['util', 'net', 'db', 'server'],
  server: everything,
  quickstart: everything,
  'main.ts': ['cli', 'util'],
};

/** Files that may be imported although their layer may not, each with its reason. */
const exceptions: Readonly<Record<string, string>> = {
  'modules → #script/value.ts': 'the values of the contract between modules and scripts; no behaviour',
};

const sources = sourcesOf('src');
const imports = sources.flatMap(importsOf);

function layerOf(path: string): string {
  return path.split('/')[1]!;
}

function isAllowed(line: ImportLine): boolean {
  const from = layerOf(line.file.path);
  const to = line.specifier.slice(1).split('/')[0]!;
  const targets = allowed[from];
  if (targets === undefined) return false;
  return (
    to === from ||
    targets === everything ||
    targets.includes(to) ||
    exceptions[`${from} → ${line.specifier}`] !== undefined
  );
}

describe('layers', () => {
  it('are all in the table', () => {
    const unknown = sources.filter((file) => allowed[layerOf(file.path)] === undefined);
    expect(unknown.map((file) => file.path)).toEqual([]);
  });

  it('import only along the arrows', () => {
    const wrong = imports.filter((line) => line.specifier.startsWith('#') && !isAllowed(line));
    expect(wrong.map(describeImport)).toEqual([]);
  });

  it('name the layer in every import: no relative paths', () => {
    const relative = imports.filter((line) => line.specifier.startsWith('.'));
    expect(relative.map(describeImport)).toEqual([]);
  });

  it('keep modules apart: none imports a file of another', () => {
    const wrong = imports.filter((line) => {
      const own = /^src\/modules\/([^/]+)\//.exec(line.file.path)?.[1];
      const other = /^#modules\/([^/]+)\//.exec(line.specifier)?.[1];
      return own !== undefined && other !== undefined && own !== other;
    });
    expect(wrong.map(describeImport)).toEqual([]);
  });

  it('leave sockets to net and databases to db', () => {
    const owners: Readonly<Record<string, string>> = {
      'node:dgram': 'net',
      'node:net': 'net',
      'node:tls': 'net',
      'node:sqlite': 'db',
      mysql2: 'db',
      'mysql2/promise': 'db',
    };
    const wrong = imports.filter((line) => {
      const owner = owners[line.specifier];
      return owner !== undefined && owner !== layerOf(line.file.path);
    });
    expect(wrong.map(describeImport)).toEqual([]);
  });

  it('touch no clock, randomness, promise or process where they are pure', () => {
    const impure =
      /\b(Date\.now|new Date\(\)|performance\.|Math\.random|randomBytes|randomUUID|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|async |await |Promise\b|console\.)/;
    const found: string[] = [];
    for (const file of sources) {
      if (!(pureLayers as readonly string[]).includes(layerOf(file.path))) continue;
      for (const [index, line] of codeOf(file).split('\n').entries()) {
        const hit = impure.exec(line);
        if (hit !== null) found.push(`${file.path}:${index + 1}: ${hit[0].trim()}`);
      }
    }
    expect(found).toEqual([]);
  });

  it('hold no state at module level that nodes of one process would share', () => {
    const found: string[] = [];
    for (const file of sources) {
      for (const [index, line] of codeOf(file).split('\n').entries()) {
        if (/^(export )?(let|var) /.test(line)) found.push(`${file.path}:${index + 1}`);
      }
    }
    expect(found).toEqual([]);
  });
});
