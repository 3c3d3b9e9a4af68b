/** Header fields: any by name, Contact and its fields, credentials, identities, Diversion, Refer-To. */

import type { MessageContext } from '#module/context.ts';
import { hostOf, userOf } from '#modules/core/uri-parts.ts';
import { listed, orNull, plain, type Variable } from '#modules/core/variable-declaration.ts';
import type { Value } from '#script/value.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { type NameAddress, parseNameAddress, splitList } from '#sip/name-address.ts';
import { findParameter } from '#sip/parameters.ts';

/** Values of all lines of that header, commas left in. */
function lineValues(message: SipMessage, name: string): string[] {
  const values: string[] = [];
  for (let line = message.findNamed(name); line !== -1; line = message.findNamed(name, line + 1)) {
    values.push(message.value(line));
  }
  return values;
}

function lineNames(message: SipMessage): string[] {
  return Array.from({ length: message.lineCount }, (_, line) => message.lineName(line));
}

const namedVariables: readonly Variable[] = [
  listed(
    ['hdr'],
    'required',
    'Value of the header of that name; an index chooses among several.',
    (context, name) => lineValues(context.message, name ?? ''),
  ),
  {
    names: ['hdrcnt'],
    inner: 'required',
    help: 'How many header lines of that name there are.',
    read: (_core, context, name) => lineValues(context.message, name ?? '').length,
  },
  listed(['hdr_name'], 'none', 'Names of all header lines, in order.', (context) =>
    lineNames(context.message),
  ),
];

const contactFields: Readonly<Record<string, (contact: NameAddress) => Value>> = {
  name: (contact) => orNull(contact.display),
  uri: (contact) => contact.uri,
  q: (contact) => contact.parameter('q'),
  expires: (contact) => contact.parameter('expires'),
  methods: (contact) => contact.parameter('methods'),
  received: (contact) => contact.parameter('received'),
  params: (contact) => orNull(contact.parameters.slice(1)),
};

function contactField(context: MessageContext, field: string | null): Value[] {
  const read = contactFields[field ?? ''];
  if (read === undefined) return [];
  return context.message.values(headerNames.contact).map((text) => {
    const contact = parseNameAddress(text);
    return contact === null ? null : read(contact);
  });
}

const contactVariables: readonly Variable[] = [
  listed(['ct'], 'none', 'Contact.', (context) => context.message.values(headerNames.contact)),
  listed(
    ['ct.fields'],
    'required',
    'A field of Contact: name, uri, q, expires, methods, received or params.',
    contactField,
  ),
];

/** Parameters of the digest credentials (RFC 7616 3.4), as text beginning with `;`; null without any. */
function credentials(context: MessageContext): string | null {
  const { message } = context;
  // Those that were found to be right, when some were: others in the message are only claimed.
  const authorized = context.attachments.get('auth.line') as number | undefined;
  let line = authorized ?? message.find(headerNames.proxyAuthorization);
  if (line === -1) line = message.find(headerNames.authorization);
  return line === -1 ? null : digestParameters(message.value(line));
}

function digestParameters(value: string): string | null {
  if (!/^digest\s/i.test(value)) return null;
  const list = value.slice(7);
  return splitList(list)
    .map(({ start, end }) => `;${list.slice(start, end).trim()}`)
    .join('');
}

function credential(name: string): (context: MessageContext) => Value {
  return (context) => {
    const parameters = credentials(context);
    return parameters === null ? null : findParameter(parameters, name);
  };
}

const userName = credential('username');

/** The part before or behind the `@` of a user name that has one. */
function userNamePart(context: MessageContext, behind: boolean): Value {
  const name = userName(context);
  if (typeof name !== 'string') return null;
  const at = name.indexOf('@');
  if (behind) return at === -1 ? null : name.slice(at + 1);
  return at === -1 ? name : name.slice(0, at);
}

const credentialVariables: readonly Variable[] = [
  plain(['au'], 'User of the digest credentials, without a domain.', (context) =>
    userNamePart(context, false),
  ),
  plain(['aU'], 'User name of the digest credentials.', userName),
  plain(['ad'], 'Domain in the user name of the credentials, else the realm.', (context) => {
    return userNamePart(context, true) ?? credential('realm')(context);
  }),
  plain(['ar'], 'Realm of the digest credentials.', credential('realm')),
  plain(['an'], 'Nonce of the digest credentials.', credential('nonce')),
  plain(['adu'], 'URI of the digest credentials.', credential('uri')),
  ...Object.entries({
    nonce: 'nonce',
    resp: 'response',
    opaque: 'opaque',
    alg: 'algorithm',
    cnonce: 'cnonce',
    qop: 'qop',
    nc: 'nc',
  }).map(([field, name]) => plain([`auth.${field}`], `${name} of the digest credentials.`, credential(name))),
];

function challenge(name: string): (context: MessageContext) => Value {
  return (context) => {
    const message = context.reply ?? context.message;
    let line = message.find(headerNames.wwwAuthenticate);
    if (line === -1) line = message.find(headerNames.proxyAuthenticate);
    const parameters = line === -1 ? null : digestParameters(message.value(line));
    return parameters === null ? null : findParameter(parameters, name);
  };
}

const challengeVariables: readonly Variable[] = ['realm', 'nonce', 'opaque', 'algorithm', 'qop'].map((name) =>
  plain([`challenge.${name}`], `${name} of the challenge received.`, challenge(name)),
);

function addressOf(message: SipMessage, name: string): NameAddress | null {
  const line = message.findNamed(name);
  if (line === -1) return null;
  const value = message.value(line);
  return parseNameAddress(value.slice(0, splitList(value)[0]!.end).trim());
}

function addressVariable(
  variable: string,
  headerName: string,
  help: string,
  read: (address: NameAddress) => Value,
): Variable {
  return plain([variable], `${help} of ${headerName}.`, (context) => {
    const address = addressOf(context.message, headerName);
    return address === null ? null : read(address);
  });
}

const identityVariables: readonly Variable[] = [
  addressVariable('ai', 'P-Asserted-Identity', 'URI', (address) => address.uri),
  addressVariable('pu', 'P-Preferred-Identity', 'URI', (address) => address.uri),
  addressVariable('pU', 'P-Preferred-Identity', 'User', (address) => userOf(address.uri)),
  addressVariable('pd', 'P-Preferred-Identity', 'Host', (address) => hostOf(address.uri)),
  addressVariable('pn', 'P-Preferred-Identity', 'Display name', (address) => orNull(address.display)),
  addressVariable('di', 'Diversion', 'URI', (address) => address.uri),
  addressVariable('dip', 'Diversion', 'Privacy', (address) => address.parameter('privacy')),
  addressVariable('dir', 'Diversion', 'Reason', (address) => address.parameter('reason')),
  addressVariable('re', 'Remote-Party-ID', 'URI', (address) => address.uri),
  addressVariable('rt', 'Refer-To', 'URI', (address) => address.uri),
];

export const headerVariables: readonly Variable[] = [
  ...namedVariables,
  ...contactVariables,
  ...credentialVariables,
  ...challengeVariables,
  ...identityVariables,
];
