/** save() and lookup() of one node (RFC 3261 10.3 and 16.5). */

import type { AdditionalBranch, MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import {
  type StatelessService,
  statelessService,
  type TransactionService,
  transactionService,
} from '#module/services.ts';
import type { Binding } from '#registrar/binding.ts';
import { type LocationService, locationService } from '#registrar/location-service.ts';
import { type RegistrarRules, readRegistration } from '#registrar/registration.ts';
import { detach } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import { parseUri, unescapeUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

export class RegistrarModule {
  readonly host: ModuleHost;
  readonly location: LocationService;
  readonly rules: RegistrarRules;
  readonly #transactions: TransactionService | null;
  readonly #stateless: StatelessService | null;
  readonly #retryAfterSeconds: number;
  readonly #receivedAttribute: string;
  readonly #caseSensitive: boolean;

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.host = host;
    this.location = host.service(locationService);
    this.#transactions = host.optionalService(transactionService);
    this.#stateless = host.optionalService(statelessService);
    this.rules = {
      defaultSeconds: Number(parameters.default_expires),
      minSeconds: Number(parameters.min_expires),
      maxSeconds: Number(parameters.max_expires),
      contactsMax: Number(parameters.max_contacts),
      defaultQ: Number(parameters.default_q),
    };
    this.#retryAfterSeconds = Number(parameters.retry_after);
    this.#caseSensitive = parameters.case_sensitive !== 0;
    this.#receivedAttribute = String(parameters.received_avp ?? '').replace(/^\$avp\((?:s:)?|\)$/g, '');
    for (const [name, value] of [
      ['max_expires', this.rules.maxSeconds],
      ['max_contacts', this.rules.contactsMax],
      ['default_expire', this.rules.defaultSeconds],
    ] as const) {
      host.statistics.gauge('registrar', name, () => value);
    }
  }

  /** 1: stored and answered 200. -1: refused, and answered with the reason. */
  save(context: MessageContext, uri: string | null): number {
    const { request } = context;
    const address = this.address(uri ?? request.to.uri);
    if (address === null) return this.#refuse(context, 400);
    const registration = readRegistration(this.location.table, {
      request,
      address,
      wall: this.host.clock.wall(),
      node: this.host.nodeId,
      received: this.#received(context),
      flags: context.branchFlags,
      rules: this.rules,
    });
    if (registration.status !== 200) return this.#refuse(context, registration.status);
    for (const contact of registration.removals) this.location.remove(address, contact);
    for (const binding of registration.puts) this.location.put(detach(address), binding);
    this.host.statistics.counter('registrar', 'accepted_regs').value++;
    context.replyHeaders += this.#contacts(address);
    this.#reply(context, 200, 'OK');
    return 1;
  }

  /** 1: the contacts are in the Request-URI and the branches. -1: none. */
  lookup(context: MessageContext, uri: string | null): number {
    const address = this.address(uri ?? context.requestUri);
    const bindings = address === null ? [] : this.location.table.lookup(address, this.host.clock.wall());
    const [best, ...others] = bindings;
    if (best === undefined) return -1;
    context.requestUri = best.uri;
    context.destinationUri = best.received === '' ? null : best.received;
    context.path = best.path;
    context.q = best.q;
    context.branchFlags |= best.flags;
    for (const binding of others) context.branches.push(branchOf(binding));
    return 1;
  }

  isRegistered(address: string): boolean {
    return this.location.table.lookup(address, this.host.clock.wall()).length > 0;
  }

  /** `user@host` of a URI, the key of the table (RFC 3261 10.3 step 5); null when there is none. */
  address(uri: string): string | null {
    const parsed = parseUri(uri);
    if (isFailure(parsed) || parsed.host === '') return null;
    const user = this.#caseSensitive ? unescapeUri(parsed.user) : unescapeUri(parsed.user).toLowerCase();
    return user === '' ? null : `${user}@${parsed.host.toLowerCase()}`;
  }

  /** Where the client really is, when its script or its own Contact says that it is behind a NAT. */
  #received(context: MessageContext): string {
    const stored = context.attributes.get(this.#receivedAttribute)?.[0];
    if (this.#receivedAttribute !== '' && stored !== undefined && stored !== null) return String(stored);
    return '';
  }

  #contacts(address: string): string {
    const wall = this.host.clock.wall();
    const lines = this.location.table.lookup(address, wall).map((binding) => {
      const q = binding.q < 0 ? '' : `;q=${binding.q / 1000}`;
      return `<${binding.uri}>${q};expires=${Math.round((binding.expires - wall) / 1000)}${binding.parameters}`;
    });
    return lines.length === 0 ? '' : `Contact: ${lines.join(', ')}\r\n`;
  }

  #refuse(context: MessageContext, status: number): number {
    this.host.statistics.counter('registrar', 'rejected_regs').value++;
    // RFC 3261 10.3 step 7: 423 names the shortest interval that would do.
    if (status === 423) context.replyHeaders += `Min-Expires: ${this.rules.minSeconds}\r\n`;
    if (status === 503 && this.#retryAfterSeconds > 0) {
      context.replyHeaders += `Retry-After: ${this.#retryAfterSeconds}\r\n`;
    }
    this.#reply(context, status, reasonPhrase(status));
    return -1;
  }

  #reply(context: MessageContext, status: number, reason: string): void {
    if (this.#transactions !== null) this.#transactions.reply(context, status, reason);
    else this.#stateless?.reply(context, status, reason);
  }
}

function branchOf(binding: Binding): AdditionalBranch {
  return {
    requestUri: binding.uri,
    destinationUri: binding.received === '' ? null : binding.received,
    path: binding.path,
    q: binding.q,
    flags: binding.flags,
    socket: null,
  };
}
