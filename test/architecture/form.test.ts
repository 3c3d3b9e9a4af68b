/** Names, sizes and forms that a reader may rely on. */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeOf, projectFiles, root, sourcesOf } from './source-files.ts';

/** A file holds one idea. */
const fileLinesMax = 500;
const functionLinesMax = 70;
const headLinesMax = 10;

const ours = sourcesOf('src', 'test', 'lab', 'scripts');

function findLines(pattern: RegExp, files = ours): string[] {
  return files.flatMap((file) =>
    codeOf(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

describe('files', () => {
  it(`have at most ${fileLinesMax} lines`, () => {
    const long = ours.filter((file) => file.lines.length - 1 > fileLinesMax);
    expect(long.map((file) => `${file.path}: ${file.lines.length - 1}`)).toEqual([]);
  });

  it('are named by a noun in kebab-case, and by no catch-all word', () => {
    const words = /(^|-)(utils?|helpers?|types?|managers?|misc|common|stuff)(-|$)/;
    const wrong = ours.filter((file) => {
      const names = file.path.split('/').slice(1);
      const stem = basename(file.path).replace(/(\.test|\.bench)?\.(ts|mjs)$/, '');
      // The folder util/ is the one exception: it names the layer without a domain.
      const folders = names.slice(0, -1).filter((name) => name !== 'util' || !file.path.includes('/util/'));
      return [...folders, stem].some((name) => !/^[a-z0-9_]+(-[a-z0-9]+)*$/.test(name) || words.test(name));
    });
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it('in src open with a head comment of at most ten lines', () => {
    const wrong = sourcesOf('src').filter((file) => {
      const text = file.text.replace(/^#!.*\n/, '');
      const end = text.indexOf('*/');
      return !text.startsWith('/**') || text.slice(0, end).split('\n').length > headLinesMax;
    });
    expect(wrong.map((file) => file.path)).toEqual([]);
  });
});

describe('code', () => {
  it(`has functions of at most ${functionLinesMax} lines and four parameters, which the linter measures`, () => {
    const configuration = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as {
      overrides: {
        includes: string[];
        linter: {
          rules: { complexity?: Record<string, { level: string; options: Record<string, number> }> };
        };
      }[];
    };
    const override = configuration.overrides.find((candidate) => candidate.includes.includes('src/**'));
    expect(override?.linter.rules.complexity).toEqual({
      noExcessiveLinesPerFunction: { level: 'error', options: { maxLines: functionLinesMax } },
      useMaxParams: { level: 'error', options: { max: 4 } },
    });
  });

  it('has no enums, namespaces, default exports, barrels or parameter properties', () => {
    expect(findLines(/^\s*(export )?(declare )?(const )?enum /)).toEqual([]);
    expect(findLines(/^\s*(export )?(declare )?namespace /)).toEqual([]);
    expect(findLines(/^export default/, sourcesOf('src', 'lab', 'scripts'))).toEqual([]);
    expect(findLines(/^export (type )?(\*|\{[^}]*\}) from/)).toEqual([]);
    expect(findLines(/constructor\([^)]*\b(public|private|protected|readonly) \w+[?]?:/)).toEqual([]);
  });

  it('has no event emitters of its own and no classes named after nothing', () => {
    expect(findLines(/extends EventEmitter|new EventEmitter/, sourcesOf('src'))).toEqual([]);
    expect(findLines(/\b(class|interface) \w*(Manager|Helper|Utils?)\b/, sourcesOf('src'))).toEqual([]);
  });
});

describe('tests', () => {
  const tests = sourcesOf('test').filter((file) => file.path.endsWith('.test.ts'));

  it('are neither alone nor left for later', () => {
    expect(findLines(/\b(it|test|describe)(\.\w+)*\.(only|todo|fails)\b/, tests)).toEqual([]);
  });

  it('that skip print the reason', () => {
    const silent = tests.filter(
      (file) =>
        /\.(skip|skipIf|runIf)\(/.test(codeOf(file)) && !/console\.log\(\s*[`']Skipped: /.test(file.text),
    );
    expect(silent.map((file) => file.path)).toEqual([]);
  });
});

describe('the project', () => {
  // Put together from parts, so that this file does not hold what it looks for.
  const forbidden = [
    ['', 'work', 'main'].join('/'),
    ['', 'work', 'shared'].join('/'),
    ['', 'tmp', 'anyvia', ''].join('/'),
    ['registry', 'npmjs', 'org'].join('.'),
    ['"resolved"', '"http'].join(': '),
    ['deb', 'debian', 'org'].join('.'),
  ];

  it('names no path of a machine and no download address', () => {
    const found = projectFiles().flatMap((file) =>
      forbidden.filter((text) => file.text.includes(text)).map((text) => `${file.path}: ${text}`),
    );
    expect(found).toEqual([]);
  });

  it('has no unfinished places', () => {
    const marks = new RegExp(`\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')}|not implemented)\\b`);
    const found = sourcesOf('src', 'lab', 'scripts', 'test').flatMap((file) =>
      file.lines.flatMap((line, index) => (marks.test(line) ? [`${file.path}:${index + 1}`] : [])),
    );
    // This file and the hook's own words: "not implemented" stands here as a pattern.
    expect(found.filter((place) => !place.startsWith('test/architecture/form.test.ts'))).toEqual([]);
  });
});
