/** `{csv.…}`, `{ip.…}`, `{re.subst}`. Left out: `ip.resolve`, which would have to wait for a name server. */

import type { TransformationDeclaration } from '#module/define.ts';
import { parseSubstitution } from '#module/substitution.ts';
import type { Value } from '#script/value.ts';
import { splitList } from '#sip/name-address.ts';
import { isFailure } from '#util/failure.ts';
import { formatIp, type IpNetwork, isInNetwork, parseIp, parseNetwork } from '#util/ip-address.ts';

function elements(text: string): string[] {
  return splitList(text).map(({ start, end }) => text.slice(start, end).trim());
}

const csvTransformations: readonly TransformationDeclaration[] = [
  {
    name: 'csv.count',
    help: 'How many values a comma list has.',
    apply: (value) => (value === null ? null : elements(String(value)).length),
  },
  {
    name: 'csv.value',
    help: 'Value n of a comma list, from 0, negative from the end.',
    apply: (value, [index]) => {
      const position = Number(index ?? Number.NaN);
      if (value === null || !Number.isInteger(position)) return null;
      return elements(String(value)).at(position) ?? null;
    },
  },
];

/** RFC 1918, RFC 6598, RFC 3927, loopback; RFC 4193 and link-local of IPv6. */
const privateNetworks: readonly IpNetwork[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '127.0.0.0/8',
  'fc00::/7',
  'fe80::/10',
  '::1/128',
].map((text) => parseNetwork(text)!);

function ip(
  name: string,
  help: string,
  read: (bytes: Uint8Array | null, text: string, argument: Value) => Value,
) {
  return {
    name: `ip.${name}`,
    help,
    apply: (value: Value, args: readonly Value[]): Value =>
      value === null ? null : read(parseIp(String(value)), String(value), args[0] ?? null),
  };
}

const ipTransformations: readonly TransformationDeclaration[] = [
  ip('family', 'INET or INET6.', (bytes) => (bytes === null ? null : bytes.length === 4 ? 'INET' : 'INET6')),
  ip('isip', '1 when it is an address, else 0.', (bytes) => (bytes === null ? 0 : 1)),
  ip('isip4', '1 when it is an IPv4 address, else 0.', (bytes) => (bytes?.length === 4 ? 1 : 0)),
  ip('isip6', '1 when it is an IPv6 address, else 0.', (bytes) => (bytes?.length === 16 ? 1 : 0)),
  ip('isprivate', '1 when the address is of a private network, else 0.', (bytes) => {
    if (bytes === null) return null;
    return privateNetworks.some((network) => isInNetwork(bytes, network)) ? 1 : 0;
  }),
  ip('matches', '1 when the address is in a network, else 0.', (bytes, _text, argument) => {
    const network = parseNetwork(String(argument ?? ''));
    return bytes === null || network === null ? null : isInNetwork(bytes, network) ? 1 : 0;
  }),
  ip('pton', 'The address as its 4 or 16 bytes.', (bytes) =>
    bytes === null ? null : Buffer.from(bytes).toString('latin1'),
  ),
  ip('ntop', 'The address whose 4 or 16 bytes these are.', (_bytes, text) => {
    const bytes = Buffer.from(text, 'latin1');
    return bytes.length === 4 || bytes.length === 16 ? formatIp(bytes) : null;
  }),
];

const substitute: TransformationDeclaration = {
  name: 're.subst',
  help: 'Replaces what a regular expression matches: /expression/replacement/flags.',
  apply: (value, args) => {
    if (value === null) return null;
    // The compiler divides at commas, which are ordinary characters of an expression.
    const substitution = parseSubstitution(args.map((part) => part ?? '').join(','));
    return isFailure(substitution) ? null : (substitution.apply(String(value)) ?? value);
  },
};

export const listTransformations: readonly TransformationDeclaration[] = [
  ...csvTransformations,
  ...ipTransformations,
  substitute,
];
