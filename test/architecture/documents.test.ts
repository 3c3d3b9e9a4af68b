/** The README's commands exist, the shipped scripts load, the generated pages are current, the units are complete. */

import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stalePages } from '../../scripts/documents.ts';
import { root } from './source-files.ts';

const program = join(root, 'src', 'main.ts');
const folder = mkdtempSync(join(tmpdir(), 'anyvia-documents-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function runProgram(parameters: readonly string[]) {
  return spawnSync(process.execPath, [program, ...parameters], { cwd: root, encoding: 'utf8' });
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

interface CodeBlock {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

function codeBlocks(page: string): CodeBlock[] {
  const blocks = read(page).matchAll(/^```(\w+)\n([\s\S]*?)^```/gm);
  return [...blocks].map((match) => ({ page, language: match[1]!, text: match[2]! }));
}

const pages = ['README.md', 'docs/operations.md', 'docs/architecture.md'];
const blocks = pages.flatMap(codeBlocks);
const shellLines = blocks
  .filter((block) => block.language === 'sh')
  .flatMap((block) => block.text.split('\n'))
  .map((line) => line.replace(/\s+#.*$/, '').trim())
  .filter((line) => line !== '' && !line.startsWith('#'));

describe('README and pages', () => {
  it('call commands and options of the program that exist', () => {
    const calls = shellLines.flatMap((line) => [...line.matchAll(/(?:^|\s)anyvia ([a-z][^|;&>]*)/g)]);
    expect(calls.length).toBeGreaterThan(10);
    const helpOf = new Map<string, string>();
    for (const call of calls) {
      const words = call[1]!.trim().split(/\s+/);
      const command = words[0] === 'db' ? words.slice(0, 2) : words.slice(0, 1);
      const key = command.join(' ');
      if (!helpOf.has(key)) {
        const help = runProgram([...command, '--help']);
        expect(help.status, `anyvia ${key}`).toBe(0);
        expect(help.stdout, `anyvia ${key}`).toContain(`Usage: anyvia ${key}`);
        helpOf.set(key, help.stdout);
      }
      for (const word of words.filter((candidate) => /^--?[a-z]/.test(candidate))) {
        expect(helpOf.get(key), `option ${word} of anyvia ${key}`).toMatch(
          new RegExp(`(^|[\\s,])${word.split('=')[0]}\\b`),
        );
      }
    }
  });

  it('call npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const called = shellLines.flatMap((line) => /^npm (?:run )?([a-z]+)/.exec(line)?.[1] ?? []);
    expect(called).toContain('start');
    expect(called).toContain('test');
    for (const name of called.filter((word) => !['install', 'ci', 'pack'].includes(word))) {
      expect(Object.keys(scripts)).toContain(name);
    }
  });

  it('lead to files that exist', () => {
    for (const page of [...pages, 'CHANGELOG.md']) {
      const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => match[1]!);
      for (const link of links) {
        const path = join(root, page.includes('/') ? 'docs' : '.', link);
        expect(existsSync(path), `${page} → ${link}`).toBe(true);
      }
    }
  });
});

describe('scripts', () => {
  const files = globSync('config/*.cfg', { cwd: root }).sort();

  it('are there', () => {
    expect(files).toContain('config/anyvia.cfg');
    expect(files).toContain('config/anycast-3-nodes.cfg');
  });

  it.each(files)('%s passes the check', (file) => {
    const result = runProgram(['check', '-f', file]);
    expect(result.stderr + result.stdout).toContain(`${file}: good`);
    expect(result.status).toBe(0);
  });

  it('in the pages pass the check', () => {
    const examples = blocks.filter((block) => block.language === 'opensips');
    expect(examples.length).toBeGreaterThan(0);
    for (const [index, example] of examples.entries()) {
      const path = join(folder, `example-${index}.cfg`);
      writeFileSync(path, example.text);
      const result = runProgram(['check', '-f', path]);
      expect(result.stderr, `${example.page}, example ${index + 1}`).toBe('');
      expect(result.status).toBe(0);
    }
  });
});

describe('generated pages', () => {
  it('are current (npm run docs writes them)', () => {
    expect(stalePages()).toEqual([]);
  });
});

describe('systemd units', () => {
  it.each(['systemd/anyvia.service', 'systemd/anyvia@.service'])(
    '%s reports ready and drains on stop',
    (unit) => {
      const text = read(unit);
      for (const line of ['Type=notify', 'NotifyAccess=all', 'TimeoutStopSec=']) expect(text).toContain(line);
      expect(text).toMatch(/^ExecStop=\S*anyvia drain /m);
      expect(text).toMatch(/^ExecReload=\S*anyvia reload$/m);
      expect(text).toMatch(/^RestartPreventExitStatus=78$/m);
    },
  );
});
