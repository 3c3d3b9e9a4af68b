/**
 * OpenSIPS's events of the location table, for event routes: raised once in the cluster, on the node that made the
 * change, or on whose duty the contact was when it expired.
 */

import { MessageContext } from '#module/context.ts';
import type { ModuleHost } from '#module/host.ts';
import { splitTableKey } from '#registrar/address.ts';
import type { Binding, FlagTexts } from '#registrar/binding.ts';
import type { LocationTable } from '#registrar/location-table.ts';
import type { Value } from '#script/value.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';

export const locationEvents = [
  'E_UL_AOR_INSERT',
  'E_UL_AOR_DELETE',
  'E_UL_CONTACT_INSERT',
  'E_UL_CONTACT_UPDATE',
  'E_UL_CONTACT_DELETE',
] as const;

type LocationEvent = (typeof locationEvents)[number];

/** What is bound to an address before a change. */
type Bound = ReadonlySet<string>;

export class LocationEvents {
  readonly #host: ModuleHost;
  readonly #table: LocationTable;
  readonly #flags: FlagTexts;
  #isWanted: boolean | null = null;

  constructor(host: ModuleHost, table: LocationTable, flags: FlagTexts) {
    this.#host = host;
    this.#table = table;
    this.#flags = flags;
  }

  /** Null when no route wants to hear of anything. */
  before(address: string): Bound | null {
    this.#isWanted ??= locationEvents.some((event) => this.#host.hasRoute('event', event));
    if (!this.#isWanted) return null;
    return new Set(this.#table.lookup(address, this.#host.clock.wall()).map((binding) => binding.key));
  }

  /** `changes` have been made to the address that had `before`. */
  after(address: string, before: Bound | null, changes: readonly Binding[]): void {
    if (before === null) return;
    const left = this.#table.lookup(address, this.#host.clock.wall()).length;
    if (before.size === 0 && left > 0) this.#raise('E_UL_AOR_INSERT', address, null);
    for (const change of changes) {
      const wasBound = before.has(change.key);
      if (change.removed && !wasBound) continue;
      const event = change.removed ? 'DELETE' : wasBound ? 'UPDATE' : 'INSERT';
      this.#raise(`E_UL_CONTACT_${event}`, address, change);
    }
    if (before.size > 0 && left === 0) this.#raise('E_UL_AOR_DELETE', address, null);
  }

  /** The contact is over; it may still stand in the table. */
  expired(address: string, binding: Binding): void {
    if (this.before(address) === null) return;
    this.#raise('E_UL_CONTACT_DELETE', address, binding);
    if (this.#table.lookup(address, this.#host.clock.wall()).length === 0) {
      this.#raise('E_UL_AOR_DELETE', address, null);
    }
  }

  #raise(event: LocationEvent, key: string, binding: Binding | null): void {
    if (!this.#host.hasRoute('event', event)) return;
    const socket = this.#host.sockets[0]!;
    const source = { socket, address: socket.address, port: socket.port };
    const context = new MessageContext(idleMessage, source, 'event');
    const { domain, address } = splitTableKey(key);
    const parameters = new Map<string, Value>([
      ['domain', domain],
      ['aor', address],
    ]);
    if (binding !== null) for (const [name, value] of this.#describe(binding)) parameters.set(name, value);
    context.eventParameters = parameters;
    this.#host.runRoute('event', event, context);
  }

  #describe(binding: Binding): [string, Value][] {
    return [
      ['uri', binding.removed ? binding.key : binding.uri],
      ['received', binding.received],
      ['path', binding.path],
      ['qval', binding.q < 0 ? '' : String(binding.q / 1000)],
      ['user_agent', binding.userAgent],
      ['socket', binding.socket],
      ['bflags', this.#flags.write(binding.flags)],
      ['expires', Math.ceil(binding.expires / 1000)],
      ['callid', binding.callId],
      ['cseq', binding.cseq],
      ['attr', ''],
      ['latency', 0],
      ['shtag', ''],
    ];
  }
}

/** An event belongs to no message: its route sees one of nobody's. */
const idleMessage = parseMessage(
  'OPTIONS sip:nobody@localhost SIP/2.0\r\nVia: SIP/2.0/UDP localhost;branch=z9hG4bK-none\r\n' +
    'From: <sip:nobody@localhost>;tag=none\r\nTo: <sip:nobody@localhost>\r\nCall-ID: none\r\nCSeq: 1 OPTIONS\r\n\r\n',
) as SipMessage;
