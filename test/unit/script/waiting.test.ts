/** Functions that the script waits for: every statement goes on behind them as if they had answered at once. */

import { describe, expect, it } from 'vitest';
import { defineModule, everyRoute } from '#module/define.ts';
import { isDiagnostics, type LoadedScript, loadScript } from '#module/load.ts';
import { core as realCore } from '#modules/core/declaration.ts';
import { requestContext, TestHost } from '../../support/module-host.ts';

/** `ask(n)` answers n: at once when `isQuick`, else when the test lets it. */
class Desk {
  isQuick = false;
  readonly open: { readonly code: number; readonly answer: (code: number) => void }[] = [];
  readonly notes: string[] = [];
  asked = 0;

  answerNext(): void {
    const next = this.open.shift()!;
    next.answer(next.code);
  }
}

function load(desk: Desk, body: string): LoadedScript {
  const test = defineModule<Desk>({
    name: 'test',
    help: '',
    functions: [
      {
        name: 'ask',
        routes: everyRoute,
        arguments: [{ name: 'code', kind: 'integer' }],
        help: '',
        waits: true,
        call: (module, _context, code: number) => {
          module.asked++;
          if (module.isQuick) return code;
          return new Promise<number>((answer) => module.open.push({ code, answer }));
        },
      },
      {
        name: 'note',
        routes: everyRoute,
        arguments: [{ name: 'text', kind: 'string' }],
        help: '',
        call: (module, _context, text: string) => {
          module.notes.push(text);
          return 1;
        },
      },
    ],
    create: () => desk,
  });
  const loaded = loadScript({
    path: 'waiting.cfg',
    text: `loadmodule "test.so"\n${body}`,
    modules: [realCore, test] as never,
    readFile: () => '',
  });
  if (isDiagnostics(loaded)) throw new Error(loaded.map(({ text }) => text).join('\n'));
  return loaded;
}

/** Runs the main route; answers every question, and checks that there are `asked` of them. */
async function run(body: string, asked: number, isQuick = false): Promise<{ notes: string[]; code: number }> {
  const desk = new Desk();
  desk.isQuick = isQuick;
  const loaded = load(desk, body);
  const host = new TestHost();
  const instances = new Map<string, unknown>();
  for (const { declaration, parameters } of loaded.modules)
    instances.set(declaration.name, declaration.create(host, parameters));
  const context = requestContext();
  const result = loaded.bind(instances).run('request', '', context);
  if (isQuick) expect(typeof result, 'an answer that is there is used at once').toBe('number');
  for (let turn = 0; turn < 50; turn++) {
    await Promise.resolve();
    if (desk.open.length > 0) desk.answerNext();
  }
  const code = await result;
  expect(desk.asked).toBe(asked);
  expect(context.routeStack).toEqual([]);
  expect(context.parameters).toEqual([]);
  return { notes: desk.notes, code };
}

const cases: readonly { name: string; body: string; notes: string[]; asked: number }[] = [
  {
    name: 'if, not, and what follows',
    body: 'route { if (!ask(-2)) { note("rc $rc"); } else note("no"); note("behind"); }',
    notes: ['rc -2', 'behind'],
    asked: 1,
  },
  {
    name: 'and, or: only what is needed is asked',
    body: 'route { if (ask(-1) && ask(1)) note("a"); if (ask(1) || ask(5)) note("b"); if (ask(1) && !ask(-1)) note("c"); }',
    notes: ['b', 'c'],
    asked: 4,
  },
  {
    name: 'a route within a route, with parameters',
    body: 'route { route(outer, "x"); note("rc $rc, back in $route"); } route[outer] { if (route(inner, 3)) note("in $param(1)"); return(7); } route[inner] { ask($param(1)); note("inner $param(1) $rc"); return(2); }',
    notes: ['inner 3 3', 'in x', 'rc 7, back in /route'],
    asked: 1,
  },
  {
    name: 'exit and 0 end the script, wherever they stand',
    body: 'route { route(r); note("never"); } route[r] { if (ask(1)) { note("once"); ask(0); note("never"); } }',
    notes: ['once'],
    asked: 2,
  },
  {
    name: 'while with break',
    body: 'route { $var(i) = 0; while ($var(i) < 5) { $var(i) += 1; if (!ask(1)) note("never"); if ($var(i) == 3) break; note("$var(i)"); } note("end $var(i)"); }',
    notes: ['1', '2', 'end 3'],
    asked: 3,
  },
  {
    name: 'while that asks in its condition',
    body: 'route { $var(i) = 3; while (ask($var(i))) { note("$var(i)"); $var(i) -= 1; if ($var(i) == 0) $var(i) = -1; } note("end"); }',
    notes: ['3', '2', '1', 'end'],
    asked: 4,
  },
  {
    name: 'for, over the values that were there when it began',
    body: 'route { $avp(l) = "a"; $avp(l) = "b"; for ($var(x) in $(avp(l)[*])) { ask(1); note("$var(x)"); } }',
    notes: ['b', 'a'],
    asked: 2,
  },
  {
    name: 'switch falls through to the break',
    body: 'route { $var(s) = 2; switch ($var(s)) { case 1: note("no"); case 2: ask(1); note("two"); case 3: note("three"); break; default: note("no"); } note("end"); }',
    notes: ['two', 'three', 'end'],
    asked: 1,
  },
  {
    name: 'an assignment of the value',
    body: 'route { $var(x) = ask(-3); note("$var(x) $rc"); }',
    notes: ['-3 -3'],
    asked: 1,
  },
];

describe('a script that waits', () => {
  it.each(cases)('$name, answered later', async ({ body, notes, asked }) => {
    expect((await run(body, asked)).notes).toEqual(notes);
  });

  it.each(cases)('$name, answered at once', async ({ body, notes, asked }) => {
    expect((await run(body, asked, true)).notes).toEqual(notes);
  });

  it('leaves a script without such functions as it was', async () => {
    expect((await run('route { note("only"); }', 0, true)).notes).toEqual(['only']);
  });

  it('is told where a value cannot be waited for', () => {
    expect(() => load(new Desk(), 'route { if ($var(a) + ask(1) == 2) note("x"); }')).toThrow(
      /ask\(\) has to be waited for/,
    );
    expect(() => load(new Desk(), 'route { return(ask(1)); }')).toThrow(/ask\(\) has to be waited for/);
  });

  it('ends a run by an error that comes late, with its stacks in order', async () => {
    const desk = new Desk();
    const loaded = load(desk, 'route { route(r); } route[r] { ask(1); route(r); }');
    const context = requestContext();
    const result = loaded.bind(new Map([['test', desk]])).run('request', '', context);
    desk.answerNext();
    desk.isQuick = true;
    await expect(result).rejects.toThrow(/100 routes deep/);
    expect(context.routeStack).toEqual([]);
  });
});
