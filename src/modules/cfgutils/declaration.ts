/**
 * The module `cfgutils`: shared variables, chance, pauses, the environment. Locks always succeed: one message's script
 * runs at a time, so nothing can come between. Recurring times (`check_time_rec`) are left out.
 */

import { attributeName } from '#module/attribute-name.ts';
import { defineModule, everyRoute, type VariableReference } from '#module/define.ts';
import { CfgutilsModule } from '#modules/cfgutils/cfgutils-module.ts';

const oneLoop = 'one message is handled at a time, so locks need no pool';
const locks = ['get_static_lock', 'release_static_lock', 'get_dynamic_lock', 'release_dynamic_lock'];

/** Seconds a script may pause at most: a pause longer than a transaction lives serves nobody. */
const pauseMaxMilliseconds = 600_000;

function pause(milliseconds: number | null): Promise<number> {
  const delay = Math.min(Math.max(milliseconds ?? 0, 0), pauseMaxMilliseconds);
  return new Promise((resolve) => setTimeout(resolve, delay, 1));
}

export const cfgutils = defineModule<CfgutilsModule>({
  name: 'cfgutils',
  help: 'Shared variables, chance, pauses, the environment.',
  parameters: [
    {
      name: 'initial_probability',
      kind: 'integer',
      default: 10,
      help: 'Per cent of calls in which rand_event is true.',
    },
    {
      name: 'shvset',
      kind: 'string',
      default: null,
      repeatable: true,
      help: 'First value of a shared variable: "name=s:text" or "name=i:number".',
    },
    {
      name: 'varset',
      kind: 'string',
      default: null,
      repeatable: true,
      ignored: '$var() is empty at the beginning of every run',
      help: 'Accepted.',
    },
    {
      name: 'hash_file',
      kind: 'string',
      default: null,
      ignored: 'nothing hashes the script',
      help: 'Accepted.',
    },
    {
      name: 'shv_hash_size',
      kind: 'integer',
      default: null,
      ignored: 'maps grow by themselves',
      help: 'Accepted.',
    },
    { name: 'lock_pool_size', kind: 'integer', default: null, ignored: oneLoop, help: 'Accepted.' },
  ],
  functions: [
    {
      name: 'rand_event',
      routes: everyRoute,
      arguments: [{ name: 'probability', kind: 'integer', optional: true }],
      help: 'True in so many per cent of the calls.',
      call: (module, _context, probability: number | null) => (module.happens(probability) ? 1 : -1),
    },
    {
      name: 'rand_set_prob',
      routes: everyRoute,
      arguments: [{ name: 'probability', kind: 'integer' }],
      help: 'Sets the per cent of rand_event, 0…100.',
      call: (module, _context, probability: number | null) =>
        module.setProbability(probability ?? -1) ? 1 : -1,
    },
    {
      name: 'rand_reset_prob',
      routes: everyRoute,
      arguments: [],
      help: 'Takes the per cent back to initial_probability.',
      call: (module) => (module.setProbability(module.initialProbability) ? 1 : -1),
    },
    {
      name: 'rand_get_prob',
      routes: everyRoute,
      arguments: [],
      help: 'The per cent of rand_event as return code.',
      call: (module) => module.probability,
    },
    {
      name: 'sleep',
      routes: everyRoute,
      arguments: [{ name: 'seconds', kind: 'integer' }],
      help: 'Pauses this run of the script; other messages go on.',
      asynchronous: true,
      call: (_module, _context, seconds: number | null) => pause((seconds ?? 0) * 1000),
    },
    {
      name: 'usleep',
      routes: everyRoute,
      arguments: [{ name: 'microseconds', kind: 'integer' }],
      help: 'The same in microseconds, rounded up to milliseconds.',
      asynchronous: true,
      call: (_module, _context, microseconds: number | null) => pause(Math.ceil((microseconds ?? 0) / 1000)),
    },
    {
      name: 'get_accurate_time',
      routes: everyRoute,
      arguments: [
        { name: 'seconds', kind: 'variable' },
        { name: 'microseconds', kind: 'variable' },
        { name: 'text', kind: 'variable', optional: true },
      ],
      help: 'Stores the time since 1970: seconds, microseconds of the second, both as text.',
      call: (module, context, ...values: unknown[]) => {
        const [seconds, microseconds, text] = values as [
          VariableReference,
          VariableReference,
          VariableReference | null,
        ];
        const now = module.host.clock.wall();
        const fraction = Math.floor(now % 1000) * 1000;
        seconds.write(context, Math.floor(now / 1000));
        microseconds.write(context, fraction);
        text?.write(context, `${Math.floor(now / 1000)}.${String(fraction).padStart(6, '0')}`);
        return 1;
      },
    },
    {
      name: 'set_count',
      routes: everyRoute,
      arguments: [
        { name: 'avp', kind: 'static', parse: attributeName },
        { name: 'count', kind: 'variable' },
      ],
      help: 'Stores how many values an AVP has.',
      call: (_module, context, name: string, count: VariableReference) => {
        count.write(context, context.attributes.get(name)?.length ?? 0);
        return 1;
      },
    },
    {
      name: 'shuffle_avps',
      routes: everyRoute,
      arguments: [{ name: 'avp', kind: 'static', parse: attributeName }],
      help: 'Puts the values of an AVP in random order.',
      call: (module, context, name: string) => {
        const values = context.attributes.get(name);
        if (values === undefined) return -1;
        context.attributes.set(name, module.shuffled(values));
        return 1;
      },
    },
    ...locks.map((name) => ({
      name,
      routes: everyRoute,
      arguments: [{ name: 'key', kind: 'string' }] as const,
      help: 'Always true: one message is handled at a time.',
      call: () => 1,
    })),
  ],
  variables: [
    {
      names: ['shv'],
      inner: 'required',
      help: 'Variable that all messages of this node share.',
      read: (module, _context, name) => module.shared.get(name ?? '') ?? null,
      write: (module, _context, value, name) => module.share(name ?? '', value),
    },
    {
      names: ['RANDOM'],
      inner: 'none',
      help: 'A random number, 0…2³¹-1.',
      read: (module) => module.random(),
    },
    {
      names: ['env'],
      inner: 'required',
      help: 'Variable of the environment.',
      read: (_module, _context, name) => process.env[name ?? ''] ?? null,
    },
  ],
  commands: [
    {
      name: 'cfgutils:shv_get',
      aliases: ['shv_get'],
      parameters: ['name?'],
      help: 'A shared variable, or all of them.',
      run: (module, { name }) => module.list(name === undefined ? null : String(name)),
    },
    {
      name: 'cfgutils:shv_set',
      aliases: ['shv_set'],
      parameters: ['name', 'type', 'value'],
      help: 'Sets a shared variable; type is "str" or "int".',
      run: (module, { name, type, value }) =>
        module.setFromOutside(String(name), String(type), String(value)),
    },
    {
      name: 'cfgutils:rand_set_prob',
      aliases: ['rand_set_prob'],
      parameters: ['prob_proc'],
      help: 'Sets the per cent of rand_event.',
      run: (module, { prob_proc }) => module.setProbabilityFromOutside(Number(prob_proc)),
    },
    {
      name: 'cfgutils:rand_get_prob',
      aliases: ['rand_get_prob'],
      parameters: [],
      help: 'The per cent of rand_event.',
      run: (module) => ({ Probability: module.probability }),
    },
  ],
  create: (host, parameters) => CfgutilsModule.create(host, parameters),
});
