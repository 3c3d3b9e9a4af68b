/** What save(), lookup() and their kin know of one node: the rules, the location table, where a client was seen. */

import { attributeName } from '#module/attribute-name.ts';
import type { MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import {
  type StatelessService,
  statelessService,
  type TransactionService,
  transactionService,
} from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { type LookupOptions, readLookupOptions } from '#modules/registrar/lookup-options.ts';
import { readSaveOptions, type SaveOptions } from '#modules/registrar/save-options.ts';
import { type AddressRules, addressOfRecord, tableKey } from '#registrar/address.ts';
import { type LocationService, locationService } from '#registrar/location-service.ts';
import type { PathMode, RegistrarRules } from '#registrar/registration.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import type { LocalSocket } from '#util/socket-address.ts';

/** A script has a handful of calls; flags made of variables must not grow without end. */
const optionsMax = 256;
/** Longer than any real URI, and within one message between nodes. */
const charactersMax = 8192;

export class RegistrarModule {
  readonly host: ModuleHost;
  readonly location: LocationService;
  readonly rules: RegistrarRules;
  readonly retryAfterSeconds: number;
  /** RFC 3261 10.3 step 5: an address of another domain than the Request-URI's gets 404. */
  readonly checksDomain: boolean;
  readonly socketHeader: string;
  readonly accepted: Counter;
  readonly rejected: Counter;
  readonly #transactions: TransactionService | null;
  readonly #stateless: StatelessService | null;
  readonly #receivedAttribute: string;
  readonly #addressRules: AddressRules;
  readonly #saveOptions = new Map<string, SaveOptions>();
  readonly #lookupOptions = new Map<string, LookupOptions>();

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.host = host;
    this.location = host.service(locationService);
    this.#transactions = host.optionalService(transactionService);
    this.#stateless = host.optionalService(statelessService);
    this.rules = readRules(parameters, this.location.matchesCallId);
    this.#addressRules = {
      caseSensitive: parameters.case_sensitive !== 0,
      withDomain: this.location.withDomain,
      realmPrefix: String(parameters.realm_prefix ?? '').toLowerCase(),
      userCharactersMax: Number(parameters.max_username_len),
      domainCharactersMax: Number(parameters.max_domain_len),
      addressCharactersMax: Math.min(Number(parameters.max_aor_len), charactersMax),
    };
    this.retryAfterSeconds = Number(parameters.retry_after);
    this.checksDomain = parameters.check_domain !== 0;
    this.socketHeader = String(parameters.sock_hdr_name ?? '');
    this.#receivedAttribute =
      parameters.received_avp === null ? '' : attributeName(String(parameters.received_avp));
    this.accepted = host.statistics.counter('registrar', 'accepted_regs');
    this.rejected = host.statistics.counter('registrar', 'rejected_regs');
    for (const [name, value] of [
      ['max_expires', this.rules.maxSeconds],
      ['max_contacts', this.rules.contactsMax],
      ['default_expire', this.rules.defaultSeconds],
    ] as const) {
      host.statistics.gauge('registrar', name, () => value);
    }
  }

  /** `user@host` of a URI (RFC 3261 10.3 step 5). */
  address(uri: string): string | Failure {
    return addressOfRecord(uri, this.#addressRules);
  }

  /** Key of the table for a URI; null when the URI is no address of record. */
  key(domain: string, uri: string): string | null {
    const address = this.address(uri);
    return isFailure(address) ? null : tableKey(domain, address);
  }

  /** Where the script says that the client really is, '' when it says nothing. */
  received(context: MessageContext): string {
    if (this.#receivedAttribute === '') return '';
    const stored = context.attributes.get(this.#receivedAttribute)?.[0];
    return stored === undefined || stored === null ? '' : String(stored);
  }

  /** A socket of this node by its name, or a peer's that holds the client's connection; null when it is unknown. */
  socket(name: string): LocalSocket | null {
    return this.host.socketNamed(name);
  }

  saveOptions(text: string | null): SaveOptions {
    return remember(this.#saveOptions, text ?? '', () => {
      const options = readSaveOptions(text ?? '', this.rules);
      this.#complain('save', options.unknown);
      return options;
    });
  }

  lookupOptions(text: string | null): LookupOptions {
    return remember(this.#lookupOptions, text ?? '', () => {
      const options = readLookupOptions(text ?? '');
      this.#complain('lookup', options.unknown);
      return options;
    });
  }

  /**
   * Without a transaction unless the script made one: a repeated REGISTER is processed again and gets the same answer
   * (see registration.ts), so half a minute of memory and a claim on every node are saved.
   */
  reply(context: MessageContext, status: number, reason: string): void {
    const transactions = this.#transactions;
    if (this.#stateless !== null && transactions?.exists(context) !== true) {
      this.#stateless.reply(context, status, reason);
    } else transactions?.reply(context, status, reason);
  }

  #complain(name: string, unknown: readonly string[]): void {
    if (unknown.length === 0) return;
    this.host.log.warn(`${name}(): "${unknown.join(', ')}" is no flag that is known here; it is skipped`);
  }
}

function remember<Value>(known: Map<string, Value>, text: string, read: () => Value): Value {
  let value = known.get(text);
  if (value === undefined) {
    value = read();
    if (known.size < optionsMax) known.set(text, value);
  }
  return value;
}

function readRules(parameters: ParameterValues, matchesCallId: boolean): RegistrarRules {
  return {
    defaultSeconds: Number(parameters.default_expires),
    minSeconds: Number(parameters.min_expires),
    maxSeconds: Number(parameters.max_expires),
    contactsMax: Number(parameters.max_contacts),
    replacesOldest: false,
    defaultQ: Number(parameters.default_q),
    contactCharactersMax: Math.min(Number(parameters.max_contact_len), charactersMax),
    pathMode: readPathMode(parameters),
    pathReceived: parameters.path_use_received === 1,
    allowsEqualCseq: parameters.allow_dup_cseq === 1,
    matchesCallId,
    matchedParameters: null,
    receivedName: String(parameters.received_param).toLowerCase(),
  };
}

const pathModes: readonly PathMode[] = ['off', 'lazy', 'strict'];

/** RFC 3327 5.3 without a word of the script: kept, and told to who knows what it means. */
function readPathMode(parameters: ParameterValues): PathMode {
  if (parameters.use_path === 0) return 'none';
  const mode = parameters.path_mode ?? (parameters.use_path === 1 ? 2 : 1);
  return pathModes[Number(mode)] ?? 'lazy';
}
