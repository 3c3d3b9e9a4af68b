/** The published package: packed, unpacked elsewhere, and run without the sources. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'anyvia-package-'));
const installed = join(folder, 'package');

function run(command: string, parameters: readonly string[], cwd: string) {
  return spawnSync(command, parameters, { cwd, encoding: 'utf8' });
}

beforeAll(() => {
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], root);
  expect(packed.status, packed.stderr).toBe(0);
  const archive = packed.stdout.trim().split('\n').at(-1)!;
  expect(run('tar', ['xzf', archive], folder).status).toBe(0);
  // What `npm install` of the package would bring, without asking a registry for it.
  rmSync(join(installed, 'node_modules'), { recursive: true, force: true });
  symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the published package', () => {
  const program = join(installed, 'bin', 'anyvia');

  it('holds the program as JavaScript, and no sources or tests', () => {
    expect(existsSync(join(installed, 'dist', 'main.js'))).toBe(true);
    for (const name of ['src', 'test', 'lab', 'scripts'])
      expect(existsSync(join(installed, name))).toBe(false);
  });

  it('runs', () => {
    const help = run(program, ['--help'], folder);
    expect(help.stderr).toBe('');
    expect(help.stdout).toContain('Usage: anyvia');
  });

  it('checks a script', () => {
    const checked = run(program, ['check', '-f', join(installed, 'config', 'anyvia.cfg')], folder);
    expect(checked.stderr).toBe('');
    expect(checked.status).toBe(0);
  });

  it('lays the tables', () => {
    const created = run(program, ['db', 'create', '--db', `sqlite://${folder}/anyvia.db`], folder);
    const schemas = readdirSync(join(installed, 'sql', 'sqlite')).length;
    expect(created.stdout).toContain(`${schemas} applied`);
    expect(created.status).toBe(0);
  });
});
