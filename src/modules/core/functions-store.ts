/** The local cache for scripts, and events raised by scripts. */

import { attributeName } from '#module/attribute-name.ts';
import { MessageContext } from '#module/context.ts';
import {
  type ArgumentDeclaration,
  everyRoute,
  type FunctionDeclaration,
  type VariableReference,
} from '#module/define.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import type { Value } from '#script/value.ts';
import { Failure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<CoreModule>;

const system: ArgumentDeclaration = { name: 'system', kind: 'static', parse: parseSystem };
const key: ArgumentDeclaration = { name: 'key', kind: 'string' };

/** `local` and `local:group` are this process's memory; other stores need modules that do not exist here. */
function parseSystem(literal: string): string | Failure {
  if (literal === 'local' || literal.startsWith('local:')) return literal;
  return new Failure('CORE_CACHE_UNKNOWN', `no cache "${literal}": only "local" exists`);
}

function keyOf(cache: string, name: string | null): string {
  return `${cache}\n${name ?? ''}`;
}

function now(core: CoreModule): number {
  return core.host.clock.monotonic();
}

function counter(name: string, sign: 1 | -1): Declaration {
  return {
    name,
    routes: everyRoute,
    arguments: [
      system,
      key,
      { name: 'increment', kind: 'integer' },
      { name: 'ttl', kind: 'integer' },
      { name: 'result', kind: 'variable', optional: true },
    ],
    help: `${sign > 0 ? 'Adds to' : 'Takes from'} a counter in the cache; an absent one begins at 0.`,
    call: (core, context, ...values: unknown[]) => {
      const [cache, name, increment, lifetime, result] = values as [
        string,
        string | null,
        number,
        number | null,
        VariableReference | null,
      ];
      const sum = core.cache.add(now(core), keyOf(cache, name), sign * increment, lifetime ?? 0);
      if (sum === null) return -1;
      result?.write(context, sum);
      return 1;
    },
  };
}

function fetchFunction(name: string): Declaration {
  return {
    name,
    routes: everyRoute,
    arguments: [system, key, { name: 'result', kind: 'variable' }],
    help: 'Stores the value of a key in a variable. -2 when there is none.',
    call: (core, context, cache: string, name_: string | null, result: VariableReference) => {
      const value = core.cache.fetch(now(core), keyOf(cache, name_));
      if (value === null) return -2;
      result.write(context, value);
      return 1;
    },
  };
}

/** Runs `event_route[name]` with the named parameters; attributes hold the names and the values, in order. */
function raise(core: CoreModule, context: MessageContext, event: string, lists: (string | null)[]): number {
  const [names, values] = lists.map((text) =>
    text === null ? [] : (context.attributes.get(attributeName(text)) ?? []),
  );
  const parameters = new Map<string, Value>();
  names!.forEach((name, index) => {
    parameters.set(String(name), values![index] ?? null);
  });
  if (!core.host.hasRoute('event', event)) return 1;
  const own = new MessageContext(context.message, context.source, 'event', { request: context.request });
  own.eventParameters = parameters;
  core.host.runRoute('event', event, own);
  return 1;
}

export const storeFunctions: readonly Declaration[] = [
  {
    name: 'cache_store',
    routes: everyRoute,
    arguments: [
      system,
      key,
      { name: 'value', kind: 'string' },
      { name: 'ttl', kind: 'integer', optional: true },
    ],
    help: 'Keeps a value in the cache, for ttl seconds (0: until it is removed).',
    call: (
      core,
      _context,
      cache: string,
      name: string | null,
      value: string | null,
      lifetime: number | null,
    ) => {
      core.cache.store(now(core), keyOf(cache, name), value ?? '', lifetime ?? 0);
      return 1;
    },
  },
  fetchFunction('cache_fetch'),
  fetchFunction('cache_counter_fetch'),
  {
    name: 'cache_remove',
    routes: everyRoute,
    arguments: [system, key],
    help: 'Removes a key from the cache.',
    call: (core, _context, cache: string, name: string | null) => {
      core.cache.remove(keyOf(cache, name));
      return 1;
    },
  },
  counter('cache_add', 1),
  counter('cache_sub', -1),
  {
    name: 'raise_event',
    routes: everyRoute,
    arguments: [
      { name: 'event', kind: 'static', parse: (text) => text },
      { name: 'names', kind: 'static', parse: (text) => text, optional: true },
      { name: 'values', kind: 'static', parse: (text) => text, optional: true },
    ],
    help: 'Runs the event route of that name; two AVPs may hold the names and values of its parameters.',
    call: (core, context, event: string, names: string | null, values: string | null) =>
      raise(core, context, event, values === null ? [null, names] : [names, values]),
  },
];
