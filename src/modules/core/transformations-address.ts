/** `{uri.…}`, `{via.…}`, `{nameaddr.…}`, `{param.…}`: parts of SIP's own grammar. */

import type { TransformationDeclaration } from '#module/define.ts';
import { portOf, readUri } from '#modules/core/uri-parts.ts';
import { orNull } from '#modules/core/variable-declaration.ts';
import type { Value } from '#script/value.ts';
import { type NameAddress, parseNameAddress } from '#sip/name-address.ts';
import { findParameter, listParameters } from '#sip/parameters.ts';
import type { SipUri } from '#sip/uri.ts';
import { parseVia, type Via } from '#sip/via.ts';
import { bracketed } from '#util/ip-address.ts';

function uri(
  name: string,
  help: string,
  read: (parsed: SipUri, argument: string) => Value,
): TransformationDeclaration {
  return {
    name: `uri.${name}`,
    help: `${help} of a URI.`,
    apply: (value, args) => {
      const parsed = value === null ? null : readUri(String(value));
      return parsed === null ? null : read(parsed, String(args[0] ?? ''));
    },
  };
}

const uriTransformations: readonly TransformationDeclaration[] = [
  uri('user', 'User', (parsed) => orNull(parsed.user)),
  uri('host', 'Host', (parsed) => orNull(bracketed(parsed.host))),
  uri('domain', 'Host', (parsed) => orNull(bracketed(parsed.host))),
  uri('passwd', 'Password', (parsed) => orNull(parsed.password)),
  uri('port', 'Port, the usual one when absent,', portOf),
  uri('params', 'All parameters', (parsed) => orNull(parsed.parameters.slice(1))),
  uri('param', 'A parameter', (parsed, name) => parsed.parameter(name)),
  uri('headers', 'Headers', (parsed) => orNull(parsed.headers)),
  uri('transport', 'Transport parameter', (parsed) => parsed.parameter('transport')),
  uri('ttl', 'ttl parameter', (parsed) => parsed.parameter('ttl')),
  uri('uparam', 'user parameter', (parsed) => parsed.parameter('user')),
  uri('maddr', 'maddr parameter', (parsed) => parsed.parameter('maddr')),
  uri('method', 'method parameter', (parsed) => parsed.parameter('method')),
  uri('lr', 'lr parameter', (parsed) => parsed.parameter('lr')),
  uri('r2', 'r2 parameter', (parsed) => parsed.parameter('r2')),
  uri('schema', 'Scheme', (parsed) => parsed.scheme),
];

function via(
  name: string,
  help: string,
  read: (parsed: Via, argument: string) => Value,
): TransformationDeclaration {
  return {
    name: `via.${name}`,
    help: `${help} of a Via.`,
    apply: (value, args) => {
      const parsed = value === null ? null : parseVia(String(value).trim());
      return parsed === null ? null : read(parsed, String(args[0] ?? ''));
    },
  };
}

const viaTransformations: readonly TransformationDeclaration[] = [
  via('name', 'Protocol name', () => 'SIP'),
  via('version', 'Protocol version', () => '2.0'),
  via('transport', 'Transport', (parsed) => parsed.protocol),
  via('host', 'Host', (parsed) => bracketed(parsed.host)),
  via('domain', 'Host', (parsed) => bracketed(parsed.host)),
  via('port', 'Port', (parsed) => (parsed.port === 0 ? null : parsed.port)),
  via('params', 'All parameters', (parsed) => orNull(parsed.parameters.slice(1))),
  via('param', 'A parameter', (parsed, name) => parsed.parameter(name)),
  via('branch', 'Branch', (parsed) => orNull(parsed.branch)),
  via('received', 'received parameter', (parsed) => parsed.received),
  via('rport', 'rport parameter', (parsed) => parsed.rport),
];

function address(
  name: string,
  help: string,
  read: (parsed: NameAddress, argument: string) => Value,
): TransformationDeclaration {
  return {
    name: `nameaddr.${name}`,
    help: `${help} of a name-addr.`,
    apply: (value, args) => {
      const parsed = value === null ? null : parseNameAddress(String(value).trim());
      return parsed === null ? null : read(parsed, String(args[0] ?? ''));
    },
  };
}

const addressTransformations: readonly TransformationDeclaration[] = [
  address('name', 'Display name', (parsed) => orNull(parsed.display)),
  address('uri', 'URI', (parsed) => parsed.uri),
  address('param', 'A header parameter', (parsed, name) => parsed.parameter(name)),
  address('params', 'All header parameters', (parsed) => orNull(parsed.parameters.slice(1))),
  {
    name: 'nameaddr.len',
    help: 'Length of a name-addr.',
    apply: (value) => (value === null ? null : String(value).length),
  },
];

/** The text as a list that begins with `;`, whatever its separator was. */
function parameterText(value: Value, separator: Value): string {
  const text = value === null ? '' : String(value);
  const divided =
    separator === null || separator === ';' || separator === '' ? text : replaceAll(text, separator);
  return divided === '' || divided.startsWith(';') ? divided : `;${divided}`;
}

function replaceAll(text: string, separator: Value): string {
  return text.split(String(separator)).join(';');
}

function parameter(
  name: string,
  help: string,
  read: (text: string, args: readonly Value[]) => Value,
  separatorAt = 1,
): TransformationDeclaration {
  return {
    name: `param.${name}`,
    help,
    apply: (value, args) =>
      value === null ? null : read(parameterText(value, args[separatorAt] ?? null), args),
  };
}

function nth(text: string, index: Value): { name: string; value: string | null } | null {
  const position = Number(index ?? 0);
  return Number.isInteger(position) ? (listParameters(text).at(position) ?? null) : null;
}

const parameterTransformations: readonly TransformationDeclaration[] = [
  parameter('value', 'Value of a parameter in "a=1;b=2".', (text, [name]) =>
    findParameter(text, String(name ?? '')),
  ),
  parameter('exist', '1 when the parameter is there, else 0.', (text, [name]) =>
    findParameter(text, String(name ?? '')) === null ? 0 : 1,
  ),
  parameter('valueat', 'Value of parameter n.', (text, [index]) => nth(text, index ?? 0)?.value ?? null),
  parameter('name', 'Name of parameter n.', (text, [index]) => nth(text, index ?? 0)?.name ?? null),
  parameter('count', 'How many parameters there are.', (text) => listParameters(text).length, 0),
];

export const addressTransformationList: readonly TransformationDeclaration[] = [
  ...uriTransformations,
  ...viaTransformations,
  ...addressTransformations,
  ...parameterTransformations,
];
