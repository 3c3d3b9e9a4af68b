/** The project's own files as the architecture tests read them. */

import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const root = dirname(dirname(import.meta.dirname));

export interface SourceFile {
  /** From the top of the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

export interface ImportLine {
  readonly file: SourceFile;
  /** From 1. */
  readonly line: number;
  readonly specifier: string;
  readonly text: string;
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, lines: text.split('\n') };
}

export function sourcesOf(...folders: readonly string[]): SourceFile[] {
  const patterns = folders.map((folder) => `${folder}/**/*.{ts,mjs}`);
  return globSync(patterns, { cwd: root }).sort().map(readSource);
}

/** Every text file that git knows, or would add. */
export function projectFiles(): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const paths = listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
  return paths.map(readSource).filter((file) => !file.text.includes('\0'));
}

/** Static and dynamic imports, types included, one per specifier. */
export function importsOf(file: SourceFile): ImportLine[] {
  const found: ImportLine[] = [];
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)(['"])([^'"\n]+)\1/g;
  for (const match of file.text.matchAll(pattern)) {
    const line = file.text.slice(0, match.index).split('\n').length;
    const text = file.lines[line - 1]!.trim();
    if (text.startsWith('*') || text.startsWith('//')) continue;
    found.push({ file, line, specifier: match[2]!, text });
  }
  return found;
}

export function describeImport(line: ImportLine): string {
  return `${line.file.path}:${line.line}: ${line.specifier}`;
}

/** The code without comments and without the contents of string literals, line breaks kept. */
export function codeOf(file: SourceFile): string {
  const pattern =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/g;
  return file.text.replace(pattern, (piece) => piece.replace(/[^\n]/g, ' '));
}
