/**
 * The module `nathelper`: finds out that a sender sits behind an address translator, repairs what he says, and pings
 * registered contacts to keep the translator's entry open.
 */

import { attributeName } from '#module/attribute-name.ts';
import { currentBody, replaceBody } from '#module/body-edit.ts';
import { defineModule, type ParameterDeclaration, type RouteKind } from '#module/define.ts';
import { markContacts, restoreUri, rewriteContacts, senderUri } from '#modules/nathelper/contact-repair.ts';
import { NatPings } from '#modules/nathelper/nat-pings.ts';
import { looksTranslated, parseNatFlags } from '#modules/nathelper/nat-test.ts';
import { pingParameters, readPingSettings } from '#modules/nathelper/ping-parameters.ts';
import { parseSdpFlags, repairSdp } from '#modules/nathelper/sdp-repair.ts';
import { Failure, isFailure } from '#util/failure.ts';

interface NatModule {
  /** AVP that `fix_nated_register` fills, '' for none. */
  readonly receivedAttribute: string;
  readonly noProxyLine: string;
  /** Null when the script wants none. */
  readonly pings: NatPings | null;
}

const routes: readonly RouteKind[] = ['request', 'failure', 'onreply', 'branch', 'local'];
const parameters: readonly ParameterDeclaration[] = [
  {
    name: 'received_avp',
    kind: 'string',
    default: null,
    help: 'AVP for the address that a REGISTER came from; the registrar must be told the same one.',
  },
  {
    name: 'nortpproxy_str',
    kind: 'string',
    default: 'a=nortpproxy:yes',
    help: 'Line that tells media relays on the way that there is one already.',
  },
  ...pingParameters,
];

export const nathelper = defineModule<NatModule>({
  name: 'nathelper',
  help: 'Senders behind address translators.',
  parameters,
  functions: [
    {
      name: 'nat_uac_test',
      routes,
      arguments: [{ name: 'tests', kind: 'static', parse: parseNatFlags, dynamic: true }],
      help:
        'True when one of the tests holds. By name or number: private-contact 1, diff-ip-src-via 2, private-via 4, ' +
        'private-sdp 8, diff-port-src-via 16, diff-ip-src-contact 32, diff-port-src-contact 64, carrier-grade-nat 128.',
      call: (_module, context, mask: number | null) =>
        mask !== null && looksTranslated(context.message, context.source, mask) ? 1 : -1,
    },
    {
      name: 'fix_nated_contact',
      routes: ['request', 'onreply', 'branch', 'local'],
      arguments: [
        { name: 'parameters', kind: 'string', optional: true },
        { name: 'flags', kind: 'string', optional: true },
      ],
      help:
        'Host and port of Contact become those of the sender; parameters (";a=b") are added to its URI. With the flag ' +
        'preserve-uri the URI that stood there goes along, for restore_nated_ruri().',
      call: (_module, context, text: string | null, flags: string | null) => {
        const parameters = text === null || text === '' || text.startsWith(';') ? (text ?? '') : `;${text}`;
        const change = { parameters, preserves: flags?.includes('preserve-uri') === true };
        return rewriteContacts(context.message, context.source, context.edits, change) ? 1 : -1;
      },
    },
    {
      name: 'restore_nated_ruri',
      routes: ['request', 'branch', 'failure', 'local'],
      arguments: [],
      help:
        'The Request-URI becomes what stood in the Contact before fix_nated_contact(, "preserve-uri"), and the next ' +
        'hop the address that took its place. -1: it is none of these.',
      call: (_module, context) => {
        const restored = restoreUri(context.requestUri);
        if (restored === null) return -1;
        context.requestUri = restored.uri;
        context.destinationUri ??= restored.nextHop;
        return 1;
      },
    },
    {
      name: 'fix_nated_register',
      routes: ['request'],
      arguments: [],
      help: 'Stores the address of the sender in received_avp, for save().',
      call: (module, context) => {
        if (module.receivedAttribute === '') return -1;
        context.attributes.set(module.receivedAttribute, [senderUri(context.source)]);
        return 1;
      },
    },
    {
      name: 'add_rcv_param',
      routes: ['request'],
      arguments: [{ name: 'in_uri', kind: 'integer', optional: true }],
      help: 'Adds received="sip:address:port" of the sender to every Contact; with 1 as a parameter of its URI.',
      call: (_module, context, inUri: number | null) =>
        markContacts(context.message, context.source, context.edits, inUri === 1) ? 1 : -1,
    },
    {
      name: 'fix_nated_sdp',
      routes,
      arguments: [
        { name: 'changes', kind: 'static', parse: parseSdpFlags, dynamic: true },
        { name: 'ip', kind: 'string', optional: true },
        { name: 'lines', kind: 'string', optional: true },
      ],
      help:
        'Changes the session description: add-dir-active 1, rewrite-media-ip 2, add-no-rtpproxy 4, ' +
        'rewrite-origin-ip 8, rewrite-null-ips 16; to this address or that of the sender. False without one.',
      call: (module, context, ...values: unknown[]) => {
        const [mask, ip, lines] = values as [number | null, string | null, string | null];
        const body = currentBody(context);
        if (mask === null || !body.startsWith('v=')) return -1;
        const address = ip === null || ip === '' ? context.source.address : ip;
        const { noProxyLine } = module;
        replaceBody(context, repairSdp(body, { mask, address, noProxyLine, lines: lines ?? '' }));
        return 1;
      },
    },
  ],
  statistics: ['pings_sent', 'pings_answered', 'pings_failed', 'contacts_removed'],
  commands: [
    {
      name: 'nathelper:enable_ping',
      aliases: ['nh_enable_ping'],
      parameters: ['status?'],
      help: '0 stops the pings of this node, 1 lets them go on; without a parameter tells which.',
      run: ({ pings }, { status }) => {
        if (pings === null) return new Failure('404', 'natping_interval is 0');
        if (status === undefined) return { Status: pings.isEnabled ? 1 : 0 };
        pings.isEnabled = Number(status) !== 0;
        return 'OK';
      },
    },
  ],
  create: (host, values) => {
    const settings = readPingSettings(host, values);
    if (isFailure(settings)) return settings;
    const { received_avp, nortpproxy_str } = values;
    return {
      noProxyLine: String(nortpproxy_str),
      receivedAttribute: received_avp === null ? '' : attributeName(String(received_avp)),
      pings: settings === null ? null : new NatPings(host, settings),
    };
  },
});
