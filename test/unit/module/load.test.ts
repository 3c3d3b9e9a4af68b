/** Loading with small modules of the test's own: what reaches them, and how runs are kept apart. */

import { describe, expect, it } from 'vitest';
import { MessageContext } from '#module/context.ts';
import { defineModule, everyRoute, type ModuleDeclaration } from '#module/define.ts';
import { isDiagnostics, type LoadedScript, type LoadOptions, loadScript } from '#module/load.ts';
import { InvariantBroken } from '#util/assert.ts';
import { Failure } from '#util/failure.ts';
import { reply, requestContext, testSource } from '../../support/module-host.ts';

interface Recorder {
  readonly calls: unknown[][];
}

const core = defineModule<Recorder>({
  name: 'core',
  help: '',
  functions: [
    {
      name: 'note',
      routes: everyRoute,
      help: '',
      arguments: [
        { name: 'text', kind: 'string' },
        { name: 'number', kind: 'integer', optional: true },
        { name: 'pattern', kind: 'regexp', optional: true },
        {
          name: 'word',
          kind: 'static',
          optional: true,
          parse: (text) => (text === 'bad' ? new Failure('TEST_WORD_BAD', 'a bad word') : `<${text}>`),
        },
      ],
      call: (recorder, _context, ...values) => {
        recorder.calls.push(values);
        return 1;
      },
    },
    {
      name: 'later',
      routes: everyRoute,
      help: '',
      arguments: [{ name: 'value', kind: 'integer' }],
      asynchronous: true,
      call: (_recorder, _context, value: number) => Promise.resolve(value),
    },
    {
      name: 'store',
      routes: everyRoute,
      help: '',
      arguments: [{ name: 'place', kind: 'variable' }],
      call: (_recorder, context, place) => {
        place.write(context, `${place.read(context)}!`);
        return 1;
      },
    },
  ],
  variables: [
    { names: ['rm'], inner: 'none', help: '', read: (_recorder, context) => context.message.method },
    { names: ['rs'], inner: 'none', help: '', read: (_recorder, context) => context.message.status },
  ],
  create: () => ({ calls: [] }),
});

const base = defineModule<Recorder>({
  name: 'base',
  aliases: ['old_base'],
  help: '',
  parameters: [
    { name: 'size', kind: 'integer', default: 5, aliases: ['old_size'], help: '' },
    { name: 'title', kind: 'string', default: null, help: '' },
    { name: 'entry', kind: 'string', default: null, repeatable: true, help: '' },
  ],
  transformations: [{ name: 'b.twice', help: '', apply: (value) => `${value}${value}` }],
  create: () => ({ calls: [] }),
});

const upper = defineModule<Recorder>({
  name: 'upper',
  needs: ['base'],
  help: '',
  parameters: [{ name: 'size', kind: 'integer', default: 1, help: '' }],
  functions: [
    {
      name: 't_newtran',
      routes: ['request'],
      help: '',
      arguments: [],
      call: (recorder) => recorder.calls.push(['t_newtran']),
    },
  ],
  create: () => ({ calls: [] }),
});

const modules = [core, base, upper] as readonly ModuleDeclaration[];

function options(text: string): LoadOptions {
  return { path: 'x.cfg', text, modules, readFile: () => '' };
}

function load(text: string): LoadedScript {
  const loaded = loadScript(options(text));
  if (isDiagnostics(loaded)) throw new Error(loaded.map((diagnostic) => diagnostic.text).join('\n'));
  return loaded;
}

function problems(text: string): string[] {
  const loaded = loadScript(options(text));
  return isDiagnostics(loaded)
    ? loaded.map(({ position, cause }) => `${position.line}:${position.column} ${cause}`)
    : [];
}

function bind(script: LoadedScript) {
  const recorder: Recorder = { calls: [] };
  const bound = script.bind(new Map(['core', 'base', 'upper'].map((name) => [name, recorder])));
  return { recorder, bound };
}

function runMain(text: string, context: MessageContext = requestContext()) {
  const { recorder, bound } = bind(load(text));
  const code = bound.run('request', '', context);
  return { calls: recorder.calls, code, context };
}

describe('modules', () => {
  it('come in the order of their creation, with parameters by their first names', () => {
    const script = load(
      'loadmodule "upper.so"\nloadmodule "old_base.so"\nmodparam("base", "old_size", 7)\n' +
        'modparam("old_base", "entry", "a")\nmodparam("base", "entry", "b" "c")\nroute { exit; }',
    );
    expect(script.modules.map(({ declaration }) => declaration.name)).toEqual(['core', 'base', 'upper']);
    expect(script.modules[1]!.parameters).toEqual({ size: 7, title: null, entry: ['a', 'bc'] });
  });

  it('are named in modparam by a pattern, in any case', () => {
    const script = load(
      'loadmodule "base"\nloadmodule "upper"\nmodparam("BASE|upper", "size", yes)\nroute { exit; }',
    );
    expect(script.modules.slice(1).map(({ parameters }) => parameters.size)).toEqual([1, 1]);
  });

  it('need those that they need, and parameters that all of the named have', () => {
    expect(
      problems(
        'loadmodule "upper"\nmodparam("upper|core", "size", 2)\nmodparam("(", "x", 1)\nroute { exit; }',
      ),
    ).toEqual([
      '1:12 the module "upper" needs loadmodule "base.so"',
      '2:24 core has no parameter "size"',
      '3:10 "(" is no regular expression',
    ]);
  });

  it('lend their transformations when they are loaded', () => {
    expect(runMain('loadmodule "base"\nroute { note("$(rm{b.twice})"); }').calls[0]![0]).toBe('INVITEINVITE');
    expect(problems('route { note("$(rm{b.twice})"); }')).toEqual([
      '1:20 {b.twice} needs loadmodule "base.so"',
    ]);
  });
});

describe('what else a script says', () => {
  const script = load(
    'log_level=3\nserver_header="Server: X"\nsocket=udp:10.0.0.1:5060 anycast # ours\nlisten=bin:10.0.0.1:5566\n' +
      'socket=tls:10.0.0.1:5061\nalias=example.org\ntimer_route[tick, 30] { exit; }\nroute { exit; }\n' +
      'onreply_route { exit; }\nfailure_route[f] { exit; }\nevent_route[E_X, sync] { exit; }',
  );

  it('are globals, sockets and aliases', () => {
    expect(script.globals.get('log_level')).toBe(3);
    expect(script.globals.get('server_header')).toBe('Server: X');
    expect(script.sockets.map(({ protocol, port, anycast }) => [protocol, port, anycast])).toEqual([
      ['udp', 5060, true],
      ['bin', 5566, false],
      ['tls', 5061, false],
    ]);
    expect(script.aliases).toEqual([{ host: 'example.org', port: 0 }]);
    expect(script.warnings.map(({ cause }) => cause)).toEqual([
      'tls is not served: nobody listens on tls:10.0.0.1:5061',
    ]);
  });

  it('are routes and timers', () => {
    expect(script.routes.map(({ kind, name, interval }) => [kind, name, interval])).toEqual([
      ['timer', 'tick', 30],
      ['request', '', 0],
      ['onreply', '', 0],
      ['failure', 'f', 0],
      ['event', 'E_X', 0],
    ]);
    const { bound } = bind(script);
    expect(bound.timers).toEqual([{ name: 'tick', seconds: 30 }]);
    expect(bound.has('failure', 'f')).toBe(true);
    expect(bound.has('failure', 'g')).toBe(false);
    expect(bound.run('failure', 'g', requestContext())).toBe(1);
  });
});

describe('arguments', () => {
  it('arrive as their kinds say', () => {
    const { calls } = runMain(
      'route { $var(n) = 7; note("a $rm", "404", "^x", word); note(5, $var(n), $rm, "w"); note(udp:1.2.3.4:5, yes);' +
        'note("$var(none)", , "y"); note($var(none), "$var(n)"); }',
    );
    expect(calls).toEqual([
      ['a INVITE', 404, /^x/i, '<word>'],
      ['5', 7, /INVITE/i, '<w>'],
      ['udp:1.2.3.4:5', 1, null, null],
      [null, null, /y/i, null],
      [null, 7, null, null],
    ]);
  });

  it('that are variables can be written to, quoted or not', () => {
    const { calls } = runMain('route { $var(x) = "a"; store($var(x)); store("$var(x)"); note("$var(x)"); }');
    expect(calls[0]![0]).toBe('a!!');
    expect(problems('route { store("x"); store($rm); store("$var(x) y"); }')).toEqual([
      '1:15 "place" must be a variable that can be written',
      '1:27 $rm cannot be written to',
      '1:39 "place" must be a variable that can be written',
    ]);
  });

  it('are refused when their declaration refuses them', () => {
    expect(problems('route { note("a", 1, "[", bad); note(); }')).toEqual([
      '1:22 "[" is no regular expression',
      '1:27 a bad word',
      '1:33 note() needs the argument "text"',
    ]);
  });
});

describe('a run', () => {
  it('begins with fresh variables and $rc 1', () => {
    const { bound, recorder } = bind(load('route { note("$var(x) $rc"); $var(x) = 5; return -4; }'));
    const context = requestContext();
    expect(bound.run('request', '', context)).toBe(-4);
    bound.run('request', '', context);
    expect(recorder.calls.map(([text]) => text)).toEqual(['<null> 1', '<null> 1']);
  });

  it('tells of drop', () => {
    const { context, calls } = runMain('route { drop; note("never"); }');
    expect(context.dropped).toBe(true);
    expect(calls).toEqual([]);
  });

  it('that calls itself without end is broken off and leaves nothing behind', () => {
    const { bound } = bind(load('route { route(a, 1); } route[a] { route(a, 2); }'));
    const context = requestContext();
    expect(() => bound.run('request', '', context)).toThrow(InvariantBroken);
    expect(context.routeStack).toEqual([]);
    expect(context.parameters).toEqual([]);
  });

  it('ends when an assertion fails, if they are enabled', () => {
    const text = 'route { assert($rm == "BYE", "only BYE"); }';
    expect(() => runMain(`enable_asserts=yes\n${text}`)).toThrow('only BYE');
    expect(runMain(text).code).toBe(1);
  });

  it('stays within max_while_loops', () => {
    const { calls } = runMain('max_while_loops=3\nroute { while (1) { note("x"); } note("y"); }');
    expect(calls.map(([text]) => text)).toEqual(['x', 'x', 'x', 'y']);
  });

  it('sees the other message', () => {
    const { bound, recorder } = bind(
      load('onreply_route[r] { note("$rs $rm $(<request>rs) $(<request>rm) $(<reply>rs)"); }'),
    );
    const answer = reply(180, 'Ringing');
    const request = requestContext().message;
    bound.run('onreply', 'r', new MessageContext(answer, testSource, 'onreply', { request, reply: answer }));
    expect(recorder.calls[0]![0]).toBe('180 INVITE 0 INVITE 180');
  });
});

describe('async', () => {
  it('makes the transaction, waits, and goes on in the other route with the value', async () => {
    const { calls, code } = runMain(
      'loadmodule "base"\nloadmodule "upper"\n' +
        'route { $var(x) = 1; async(later(-7), resume); note("never"); } route[resume] { note("$rc $var(x)"); return 3; }',
    );
    expect(await code).toBe(3);
    expect(calls).toEqual([['t_newtran'], ['-7 <null>', null, null, null]]);
  });

  it('may be followed by another', async () => {
    const { calls, code } = runMain(
      'loadmodule "base"\nloadmodule "upper"\n' +
        'route { async(later(1), a); } route[a] { async(later(2), b); } route[b] { note("$rc"); return 9; }',
    );
    expect(await code).toBe(9);
    expect(calls.at(-1)![0]).toBe('2');
  });

  it('launched goes beside the script and does not disturb it', async () => {
    const { calls, code, context } = runMain(
      'route { $var(x) = 1; launch(later(5), report, "a $rm"); note("on $var(x)"); return 2; }' +
        'route[report] { note("$rc $param(1) $var(x)"); drop; }',
    );
    expect(code).toBe(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.map(([text]) => text)).toEqual(['on 1', '5 a INVITE <null>']);
    expect(context.dropped).toBe(false);
    expect(context.returnCode).toBe(2);
  });

  it('tells of errors in runs that nobody waits for', async () => {
    const script = load(
      'enable_asserts=yes\nroute { launch(later(1), fails); }\nstartup_route { async(later(1), fails); }' +
        'route[fails] { assert($rc == 2, "no"); }',
    );
    const errors: string[] = [];
    const bound = script.bind(new Map([['core', { calls: [] }]]), (error) => errors.push(String(error)));
    bound.run('request', '', requestContext());
    expect(await bound.run('startup', '', requestContext())).toBe(-1);
    expect(errors).toHaveLength(2);
    expect(errors[0]).toContain('no');
  });
});
