/**
 * Every script in cases/ runs as a test. What it says with xlog must be what its `# expect:` lines say, in order; the
 * message is an INVITE, and its main route, or its one route of another kind, is run. A script that must not load says
 * `# expect-problem: LINE:COLUMN cause`, one line each and all of them; `# expect-warning:` works alike.
 * `# expect-code: N` is the return code of the run.
 */

import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MessageContext } from '#module/context.ts';
import type { RouteKind } from '#module/define.ts';
import { isDiagnostics, type LoadedScript, loadScript } from '#module/load.ts';
import { modules } from '#modules/index.ts';
import type { Diagnostic } from '#script/diagnostic.ts';
import { isFailure } from '#util/failure.ts';
import { requestContext, TestHost } from '../support/module-host.ts';

const folder = join(import.meta.dirname, 'cases');

function load(path: string): LoadedScript | readonly Diagnostic[] {
  return loadScript({
    path,
    text: readFileSync(path, 'latin1'),
    modules,
    readFile: (name) => readFileSync(name, 'latin1'),
  });
}

interface Run {
  readonly lines: readonly string[];
  readonly code: number;
}

/** Runs the script's entry: the main route, or the first of another kind (startup and timer routes have no caller). */
async function run(script: LoadedScript): Promise<Run> {
  const host = new TestHost();
  for (const [name, value] of script.globals) host.globals.set(name, value);
  const instances = new Map<string, unknown>();
  for (const { declaration, parameters } of script.modules) {
    const instance = declaration.create(host, parameters);
    if (isFailure(instance)) throw new Error(instance.message);
    instances.set(declaration.name, instance);
  }
  const bound = script.bind(instances);
  const entry =
    script.routes.find((route) => route.kind === 'request' && route.name === '') ?? script.routes[0]!;
  const context: MessageContext = requestContext();
  context.routeKind = entry.kind as RouteKind;
  const code = await bound.run(context.routeKind, entry.name, context);
  // What launch() started ends in later turns of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  return { lines: host.logged.map((line) => line.message), code };
}

function expected(text: string, word: string): string[] {
  return [...text.matchAll(new RegExp(`# ${word}: ?(.*)$`, 'gm'))].map((match) => match[1]!.trimEnd());
}

function placeOf({ position, cause }: Diagnostic): string {
  const place = `${position.line}:${position.column} ${cause}`;
  return position.file.startsWith(folder) && dirname(position.file) === folder
    ? place
    : `${basename(position.file)}:${place}`;
}

describe.each(globSync('*.cfg', { cwd: folder }).sort())('%s', (name) => {
  const path = join(folder, name);
  const text = readFileSync(path, 'latin1');
  const problems = expected(text, 'expect-problem');
  const loaded = load(path);

  it(problems.length > 0 ? 'is refused with every problem' : 'loads', () => {
    const found = isDiagnostics(loaded) ? loaded.map(placeOf) : [];
    expect(found).toEqual(problems);
  });
  if (problems.length > 0) return;

  it('warns of what it says', () => {
    if (isDiagnostics(loaded)) return;
    expect(loaded.warnings.map(placeOf)).toEqual(expected(text, 'expect-warning'));
  });

  const wanted = expected(text, 'expect');
  const codes = expected(text, 'expect-code').map(Number);
  // Scripts that are only there to load use modules that need a whole node.
  if (wanted.length === 0 && codes.length === 0) return;
  it('says what it should', async () => {
    if (isDiagnostics(loaded)) return;
    const { lines, code } = await run(loaded);
    expect(lines).toEqual(wanted);
    if (codes.length > 0) expect(code).toBe(codes[0]);
  });
});
