/**
 * The module `avpops` of OpenSIPS before 3.5: what scripts do with AVPs by function. Its database functions are left
 * out: they would wait inside the script.
 */

import { attributeName } from '#module/attribute-name.ts';
import type { AttributeValues, MessageContext } from '#module/context.ts';
import {
  defineModule,
  everyRoute,
  type FunctionDeclaration,
  type ParameterDeclaration,
} from '#module/define.ts';
import { parseSubstitution, type Substitution } from '#module/substitution.ts';
import type { Value } from '#script/value.ts';
import { Failure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<null>;

/** `$avp(name)/flags` or `$avp(name)`. */
interface Target {
  readonly name: string;
  readonly flags: string;
}

function parseTarget(literal: string): Target | Failure {
  const slash = literal.indexOf('/');
  const name = attributeName(slash === -1 ? literal : literal.slice(0, slash));
  if (name === '') return new Failure('AVPOPS_NAME_INVALID', `"${literal}" names no AVP`);
  return { name, flags: slash === -1 ? '' : literal.slice(slash + 1) };
}

/** First the attribute to be copied, then the one to be written; or `a/b` in one text. */
function copy(attributes: AttributeValues, from: Target, to: Target): number {
  const values = attributes.get(from.name);
  if (values === undefined || values.length === 0) return -1;
  const taken = to.flags.includes('g') ? [...values] : [values[0] ?? null];
  if (to.flags.includes('d')) attributes.delete(from.name);
  attributes.set(
    to.name,
    taken.map((value) => cast(value, to.flags)),
  );
  return 1;
}

function cast(value: Value, flags: string): Value {
  if (flags.includes('n') && value !== null) return Number.parseInt(String(value), 10) || 0;
  return flags.includes('s') && value !== null ? String(value) : value;
}

function isSet(attributes: AttributeValues, { name, flags }: Target): number {
  const value = attributes.get(name)?.[0];
  if (value === undefined || value === null) return -1;
  if (flags.includes('e')) return value === '' || value === 0 ? 1 : -1;
  if (flags.includes('n')) return typeof value === 'number' ? 1 : -1;
  if (flags.includes('s')) return typeof value === 'string' ? 1 : -1;
  return 1;
}

function remove(attributes: AttributeValues, { name, flags }: Target): number {
  const values = attributes.get(name);
  if (values === undefined) return -1;
  if (flags.includes('g') || values.length <= 1) attributes.delete(name);
  else attributes.set(name, values.slice(1));
  return 1;
}

function substitute(attributes: AttributeValues, { name, flags }: Target, rule: Substitution): number {
  const values = attributes.get(name);
  if (values === undefined) return -1;
  let changed = false;
  const result = values.map((value, index) => {
    if (value === null || (index > 0 && !flags.includes('g'))) return value;
    const text = rule.apply(String(value));
    if (text !== null) changed = true;
    return text ?? value;
  });
  if (!changed) return -1;
  attributes.set(name, result);
  return 1;
}

function parseRule(literal: string): Substitution | Failure {
  return parseSubstitution(literal);
}

/** What `avp_pushto` may write to. */
const destinations: Readonly<Record<string, (context: MessageContext, value: string) => void>> = {
  $ru: (context, value) => {
    context.requestUri = value;
  },
  $du: (context, value) => {
    context.destinationUri = value;
  },
};

function parseDestination(literal: string): string | Failure {
  const name = literal.split('/')[0]!.trim();
  if (destinations[name] !== undefined) return name;
  return new Failure('AVPOPS_DESTINATION_UNKNOWN', `"${literal}": avp_pushto writes to $ru or $du`);
}

function push(context: MessageContext, destination: string, source: Target): number {
  const value = context.attributes.get(source.name)?.[0];
  if (value === undefined || value === null) return -1;
  destinations[destination]!(context, String(value));
  return 1;
}

const target = { name: 'avp', kind: 'static', parse: parseTarget } as const;

const functions: readonly Declaration[] = [
  {
    name: 'is_avp_set',
    routes: everyRoute,
    arguments: [target],
    help: 'True when the AVP has a value; "/e" empty, "/n" a number, "/s" a text.',
    call: (_module, context, avp: Target) => isSet(context.attributes, avp),
  },
  {
    name: 'avp_delete',
    routes: everyRoute,
    arguments: [target],
    help: 'Removes the latest value, with "/g" all of them.',
    call: (_module, context, avp: Target) => remove(context.attributes, avp),
  },
  {
    name: 'avp_copy',
    routes: everyRoute,
    arguments: [
      { ...target, name: 'from' },
      { ...target, name: 'to' },
    ],
    help: 'Copies the latest value; flags behind the second: g all, d delete the source, n as number, s as text.',
    call: (_module, context, from: Target, to: Target) => copy(context.attributes, from, to),
  },
  {
    name: 'avp_subst',
    routes: everyRoute,
    arguments: [target, { name: 'rule', kind: 'static', parse: parseRule }],
    help: 'Applies "/expression/replacement/flags" to the latest value, with "/g" to all.',
    call: (_module, context, avp: Target, rule: Substitution) => substitute(context.attributes, avp, rule),
  },
  {
    name: 'avp_pushto',
    routes: everyRoute,
    arguments: [
      { name: 'destination', kind: 'static', parse: parseDestination },
      { ...target, name: 'from' },
    ],
    help: 'Writes the latest value to $ru or $du.',
    call: (_module, context, destination: string, from: Target) => push(context, destination, from),
  },
];

const noDatabase = 'there are no database functions for AVPs';

function ignored(name: string, kind: 'integer' | 'string'): ParameterDeclaration {
  return { name, kind, default: null, repeatable: true, ignored: noDatabase, help: noDatabase };
}

const parameters: readonly ParameterDeclaration[] = [
  ...['avp_table', 'uuid_column', 'username_column', 'domain_column', 'attribute_column'].map((name) =>
    ignored(name, 'string'),
  ),
  ...['value_column', 'type_column', 'db_scheme', 'db_url'].map((name) => ignored(name, 'string')),
  ...['use_domain', 'buf_size'].map((name) => ignored(name, 'integer')),
];

export const avpops = defineModule<null>({
  name: 'avpops',
  help: 'AVPs by function, for scripts written for OpenSIPS before 3.5.',
  parameters,
  functions,
  create: () => null,
});
