/** Request-URI, destination URI, From and To, and their parts. */

import type { MessageContext } from '#module/context.ts';
import { formatQ, parseQ } from '#modules/core/functions-branch.ts';
import { changeRequestUri } from '#modules/core/functions-uri.ts';
import { hostOf, portOf, protocolOf, readUri, userOf, withoutBrackets } from '#modules/core/uri-parts.ts';
import { orNull, plain, type Variable, writable } from '#modules/core/variable-declaration.ts';
import type { Value } from '#script/value.ts';
import type { NameAddress } from '#sip/name-address.ts';

function portOfText(uri: string | null): number | null {
  const parsed = uri === null ? null : readUri(uri);
  return parsed === null ? null : portOf(parsed);
}

function protocolOfText(uri: string | null): string | null {
  const parsed = uri === null ? null : readUri(uri);
  return parsed === null ? null : protocolOf(parsed);
}

function portNumber(value: Value): number | null {
  const port = value === null || value === '' ? 0 : Number(value);
  return Number.isInteger(port) && port >= 0 && port < 65_536 ? port : null;
}

function writeRequestUri(context: MessageContext, value: Value): void {
  if (value === null) return;
  const text = String(value);
  if (readUri(text) !== null) context.requestUri = text;
}

function writeDestination(context: MessageContext, parts: { host?: string; port?: number }): void {
  const uri = context.destinationUri === null ? null : readUri(context.destinationUri);
  if (uri !== null) context.destinationUri = uri.with(parts);
  else if (parts.host !== undefined) context.destinationUri = `sip:${parts.host}`;
}

const requestUriVariables: readonly Variable[] = [
  writable(
    ['ru', 'ruri'],
    'Request-URI, as changed so far.',
    (context) => orNull(context.requestUri),
    writeRequestUri,
  ),
  writable(
    ['rU', 'ruri.user'],
    'User of the Request-URI; NULL removes it.',
    (context) => userOf(context.requestUri),
    (context, value) => {
      changeRequestUri(context, {
        user: value === null ? '' : String(value),
        ...(value === null && { password: '' }),
      });
    },
  ),
  writable(
    ['rd', 'ruri.domain'],
    'Host of the Request-URI.',
    (context) => hostOf(context.requestUri),
    (context, value) => {
      if (value !== null) changeRequestUri(context, { host: withoutBrackets(String(value)) });
    },
  ),
  writable(
    ['rp', 'ruri.port'],
    'Port of the Request-URI; the usual one of the transport when absent.',
    (context) => portOfText(context.requestUri),
    (context, value) => {
      const port = portNumber(value);
      if (port !== null) changeRequestUri(context, { port });
    },
  ),
  plain(['rP', 'ruri.protocol'], 'Transport of the Request-URI.', (context) =>
    protocolOfText(context.requestUri),
  ),
  writable(
    ['ru_q'],
    'q of the Request-URI.',
    (context) => formatQ(context.q),
    (context, value) => {
      context.q = parseQ(value === null ? null : String(value));
    },
  ),
  plain(['ou'], 'Request-URI as received.', (context) => orNull(context.request.requestUri)),
  plain(['oU'], 'User of the Request-URI as received.', (context) => userOf(context.request.requestUri)),
  plain(['od'], 'Host of the Request-URI as received.', (context) => hostOf(context.request.requestUri)),
  plain(['op'], 'Port of the Request-URI as received.', (context) => portOfText(context.request.requestUri)),
  plain(['oP'], 'Transport of the Request-URI as received.', (context) =>
    protocolOfText(context.request.requestUri),
  ),
];

const destinationVariables: readonly Variable[] = [
  writable(
    ['du', 'duri', 'dst_uri'],
    'Next hop; NULL: the Request-URI says it.',
    (context) => context.destinationUri,
    (context, value) => {
      if (value === null || value === '') context.destinationUri = null;
      else if (readUri(String(value)) !== null) context.destinationUri = String(value);
    },
  ),
  writable(
    ['dd'],
    'Host of the next hop.',
    (context) => (context.destinationUri === null ? null : hostOf(context.destinationUri)),
    (context, value) => {
      if (value !== null) writeDestination(context, { host: withoutBrackets(String(value)) });
    },
  ),
  writable(
    ['dp'],
    'Port of the next hop.',
    (context) => portOfText(context.destinationUri),
    (context, value) => {
      const port = portNumber(value);
      if (port !== null) writeDestination(context, { port });
    },
  ),
  plain(['dP'], 'Transport of the next hop.', (context) => protocolOfText(context.destinationUri)),
  writable(
    ['path'],
    'Path vector: Route values that will be added.',
    (context) => orNull(context.path),
    (context, value) => {
      context.path = value === null ? '' : String(value);
    },
  ),
];

/** The variables of From or To: `letter` is f or t. */
function party(
  letter: 'f' | 't',
  name: 'from' | 'to',
  address: (context: MessageContext) => NameAddress,
  tag: (context: MessageContext) => string,
): readonly Variable[] {
  return [
    plain([`${letter}u`, name], `URI of ${name}.`, (context) => orNull(address(context).uri)),
    plain([`${letter}U`, `${name}.user`], `User of ${name}.`, (context) => userOf(address(context).uri)),
    plain([`${letter}d`, `${name}.domain`], `Host of ${name}.`, (context) => hostOf(address(context).uri)),
    plain([`${letter}n`, `${name}.name`], `Display name of ${name}.`, (context) =>
      orNull(address(context).display),
    ),
    plain([`${letter}t`, `${name}.tag`], `Tag of ${name}.`, (context) => orNull(tag(context))),
  ];
}

export const uriVariables: readonly Variable[] = [
  ...requestUriVariables,
  ...destinationVariables,
  ...party(
    'f',
    'from',
    (context) => context.message.from,
    (context) => context.message.fromTag,
  ),
  ...party(
    't',
    'to',
    (context) => context.message.to,
    (context) => context.message.toTag,
  ),
];
