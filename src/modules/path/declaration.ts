/**
 * The module `path`: a proxy in front of a registrar writes itself into the Path of a REGISTER (RFC 3327), so that
 * requests to the client come back through it, and may keep the client's flow there (RFC 5626 5).
 */

import type { MessageContext } from '#module/context.ts';
import { defineModule, type FunctionDeclaration } from '#module/define.ts';
import { headerNames } from '#sip/header-name.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { parseUri, type SipUri, unescapeUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';

type Declaration = FunctionDeclaration<null>;

/** Adds our Path on top: RFC 3327 5.2, the proxy nearest to the registrar stands first. */
function addPath(context: MessageContext, user: string | null, parameters: string): number {
  const { message, edits, source } = context;
  if (message.method !== 'REGISTER') return -1;
  const { advertisedAddress, advertisedPort, protocol } = source.socket;
  const lead = user === null || user === '' ? '' : `${user}@`;
  const transport = protocol === 'udp' ? '' : `;transport=${protocol}`;
  const uri = `sip:${lead}${bracketed(advertisedAddress)}:${advertisedPort}${transport};lr${parameters}`;
  const first = message.find(headerNames.path);
  edits.insert(first === -1 ? message.headersEnd : message.lineStart(first), `Path: <${uri}>\r\n`);
  return 1;
}

/** Where the client was seen, as a parameter of our own URI. */
function receivedParameter(source: Flow): string {
  const { protocol } = source.socket;
  const transport = protocol === 'udp' ? '' : `%3Btransport%3D${protocol}`;
  return `;received=sip:${bracketed(source.address)}:${source.port}${transport}`;
}

/** RFC 5626 5.1: the first hop says `ob` when the client asks for a flow. */
function flowParameter(context: MessageContext): string {
  const { message } = context;
  if (message.values(headerNames.via).length > 1) return '';
  const supported = message.values(headerNames.supported).some((tag) => tag.toLowerCase() === 'outbound');
  const contact = parseNameAddress(message.values(headerNames.contact)[0] ?? '');
  return supported && contact !== null && contact.parameter('reg-id') !== null ? ';ob' : '';
}

/** Our Path as a Route again: the client is reached where it was seen, not where it says that it is. */
function followReceived(context: MessageContext, route: SipUri): void {
  const received = route.parameter('received');
  if (received === null) return;
  const uri = unescapeUri(received);
  if (!isFailure(parseUri(uri))) context.destinationUri = uri;
}

const user = { name: 'user', kind: 'string', optional: true } as const;

const functions: readonly Declaration[] = [
  {
    name: 'add_path',
    routes: ['request'],
    arguments: [user],
    help: 'Adds this proxy to the Path of a REGISTER, with that user part.',
    call: (_module, context, name: string | null) => addPath(context, name, ''),
  },
  {
    name: 'add_path_received',
    routes: ['request'],
    arguments: [user],
    help:
      'The same with the address that the client was seen at as `received`, and with `ob` (RFC 5626) when the ' +
      'client asks for a flow.',
    call: (_module, context, name: string | null) =>
      addPath(context, name, receivedParameter(context.source) + flowParameter(context)),
  },
];

export const path = defineModule<null>({
  name: 'path',
  help: 'Path (RFC 3327) of a proxy in front of a registrar.',
  parameters: [
    {
      name: 'use_received',
      kind: 'integer',
      default: 0,
      help: '1: loose_route() of a request that comes back by our Path makes its `received` the next hop.',
    },
  ],
  functions,
  create: (host, { use_received }) => {
    if (use_received === 1) host.hooks.onOwnRoute.push(followReceived);
    return null;
  },
});
