/**
 * What a REGISTER asks for, by the rules of RFC 3261 10.3, RFC 3327 5.3 and RFC 5626 6. Nothing is stored here: the
 * answer is the list of all new versions, or a refusal that changes nothing. Who may do what is the script's business.
 */

import { type Binding, bindingId, nextChange, removalOf } from '#registrar/binding.ts';
import { type ContactValue, isStar, nextHop, optionTags, readContact } from '#registrar/contact.ts';
import { bindingsOfAddressMax, type LocationTable } from '#registrar/location-table.ts';
import { methodBits } from '#registrar/methods.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { detach } from '#sip/serialize.ts';
import { parseUri } from '#sip/uri.ts';
import { equalUris } from '#sip/uri-equality.ts';
import { isFailure } from '#util/failure.ts';
import type { TextPool } from '#util/text-pool.ts';

/** `none`: Path is not looked at. `off`: kept, not told. `lazy`: told to a UA that knows it. `strict`: others get 420. */
export type PathMode = 'none' | 'off' | 'lazy' | 'strict';

export interface RegistrarRules {
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  /** 0 = no limit. */
  readonly maxSeconds: number;
  /** 0 = {@link bindingsOfAddressMax}. */
  readonly contactsMax: number;
  /** The oldest contact makes room for a new one. */
  readonly replacesOldest: boolean;
  readonly defaultQ: number;
  readonly contactCharactersMax: number;
  readonly pathMode: PathMode;
  /** The `received` parameter of the nearest Path URI is where the requests go. */
  readonly pathReceived: boolean;
  /** A second REGISTER with an equal CSeq is a refresh, against RFC 3261 10.3 step 7. */
  readonly allowsEqualCseq: boolean;
  /** The Call-ID belongs to what tells contacts apart (`matching_mode` 1). */
  readonly matchesCallId: boolean;
  /** Only these URI parameters, beside user, host and port, tell contacts apart; null = RFC 3261 19.1.4. */
  readonly matchedParameters: readonly string[] | null;
  readonly receivedName: string;
}

export interface RegistrationInput {
  readonly request: SipMessage;
  /** Key of the table. */
  readonly address: string;
  /** Unix milliseconds. */
  readonly wall: number;
  readonly node: number;
  /** URI of the sender's address, when the script found that it is behind a NAT; else ''. */
  readonly received: string;
  /** URI of the sender's address in any case, for the flows of RFC 5626. */
  readonly sender: string;
  readonly socket: string;
  readonly flags: number;
  readonly rules: RegistrarRules;
  readonly pool: TextPool;
}

export interface Registration {
  readonly status: 200;
  /** New versions, removals included; all of them are to be stored. */
  readonly changes: readonly Binding[];
  /** Keys of the contacts that the request named. */
  readonly named: readonly string[];
  /** Value of the Path header in the reply, '' for none. */
  readonly path: string;
  readonly outbound: boolean;
}

export interface Refusal {
  readonly status: 400 | 420 | 423 | 439 | 500 | 503;
  /** For the operator and for `P-Registrar-Error`. */
  readonly cause: string;
  /** Seconds for Retry-After (503) or Min-Expires (423). */
  readonly seconds: number;
  /** Value of Unsupported (420). */
  readonly unsupported: string;
}

/** Extensions that a REGISTER may require here. */
const supportedTags: readonly string[] = ['path', 'outbound'];
/** RFC 3261 10.3 step 7: intervals of an hour or more are never too brief. */
const neverBriefSeconds = 3600;
/** What is kept of one contact beside its URI: parameters, Path, received. A datagram may hold more; a phone does not. */
const keptCharactersMax = 4096;
const textCharactersMax = 255;
/** When the whole table is full, somebody must leave first. */
const fullTableSeconds = 60;

function refuse(status: Refusal['status'], cause: string, more: Partial<Refusal> = {}): Refusal {
  return { status, cause, seconds: 0, unsupported: '', ...more };
}

/** All of it or nothing (RFC 3261 10.3). */
export function readRegistration(table: LocationTable, input: RegistrationInput): Registration | Refusal {
  const { request } = input;
  // 10.3 step 2, 8.2.2.3: Require is honoured before anything else.
  const unknown = optionTags(request, headerNames.require).filter((tag) => !supportedTags.includes(tag));
  if (unknown.length > 0) {
    return refuse(420, `${unknown.join(', ')} is not supported`, { unsupported: unknown.join(', ') });
  }
  const path = readPath(input);
  if (isRefusal(path)) return path;
  const contacts = request.values(headerNames.contact);
  if (contacts.some(isStar)) return removeAll(table, input, contacts);
  const plan = new Plan(table, input, path.stored);
  const values: ContactValue[] = [];
  for (const text of contacts) {
    const value = plan.read(text);
    if (isRefusal(value)) return value;
    values.push(value);
  }
  const flow = outboundProblem(input, values);
  if (flow !== null) return flow;
  for (const value of values) {
    const refusal = plan.add(value);
    if (refusal !== null) return refusal;
  }
  const full = plan.makeRoom();
  return full ?? { status: 200, ...plan.result(), path: path.told };
}

export function isRefusal(value: object): value is Refusal {
  return 'status' in value && value.status !== 200;
}

// ── Path ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function readPath(input: RegistrationInput): { stored: string; told: string } | Refusal {
  const { request, rules } = input;
  const path = rules.pathMode === 'none' ? '' : request.values(headerNames.path).join(', ');
  if (path === '') return { stored: '', told: '' };
  if (path.length > keptCharactersMax)
    return refuse(400, `the Path is longer than ${keptCharactersMax} characters`);
  const knows = optionTags(request, headerNames.supported).includes('path');
  if (rules.pathMode === 'strict' && !knows) {
    // RFC 3327 5.3: the UA would not understand that its requests take this way.
    return refuse(420, 'there is a Path, and the client does not support it', { unsupported: 'path' });
  }
  return { stored: detach(path), told: rules.pathMode !== 'off' && knows ? path : '' };
}

/** The parameters of the URI in one Path element. */
function pathParameter(element: string | undefined, name: string): string | null {
  const address = element === undefined ? null : parseNameAddress(element);
  const uri = address === null ? null : parseUri(address.uri);
  return uri === null || isFailure(uri) ? null : uri.parameter(name);
}

// ── RFC 5626 ────────────────────────────────────────────────────────────────────────────────────────────────────────

function usesFlow(request: SipMessage, value: ContactValue): boolean {
  // RFC 5626 6: reg-id without +sip.instance is ignored, and so it is from who does not say that it knows outbound.
  return (
    value.regId > 0 &&
    value.instance !== '' &&
    optionTags(request, headerNames.supported).includes('outbound')
  );
}

function outboundProblem(input: RegistrationInput, values: readonly ContactValue[]): Refusal | null {
  const { request } = input;
  const flows = values.filter((value) => usesFlow(request, value) && value.seconds !== 0);
  if (flows.length === 0) return null;
  if (values.filter((value) => value.seconds !== 0).length > 1) {
    // RFC 5626 6: one flow, one binding.
    return refuse(400, 'more than one Contact beside one with a reg-id');
  }
  if (request.values(headerNames.via).length < 2) return null;
  // RFC 5626 6: the edge proxy, which wrote the last Path element, must keep the flow.
  const edge = request.values(headerNames.path).at(-1);
  if (pathParameter(edge, 'ob') !== null) return null;
  return refuse(439, 'the first hop does not keep flows: its Path has no ob');
}

// ── `*` ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function removeAll(
  table: LocationTable,
  input: RegistrationInput,
  contacts: readonly string[],
): Registration | Refusal {
  const { request, address, wall } = input;
  // 10.3 step 6: `*` stands alone, and only with an expiration time of zero.
  if (contacts.length > 1) return refuse(400, 'Contact: * stands beside other Contacts');
  if (!/^0+$/.test(request.firstValue(headerNames.expires)))
    return refuse(400, 'Contact: * without Expires: 0');
  const current = table.lookup(address, wall);
  for (const known of current) {
    if (known.callId === request.callId && request.cseqNumber <= known.cseq)
      return outOfOrder(known, request);
  }
  const by = versionOf(input);
  return {
    status: 200,
    changes: current.map((known) => removalOf(known, by, wall)),
    named: current.map((known) => known.key),
    path: '',
    outbound: false,
  };
}

/** 10.3 step 7: "the update MUST be aborted and the request fails", with 500. */
function outOfOrder(known: Binding, request: SipMessage): Refusal {
  return refuse(500, `CSeq ${request.cseqNumber} is not higher than ${known.cseq}, which came before`);
}

function versionOf(input: RegistrationInput): Pick<Binding, 'callId' | 'cseq' | 'mark' | 'node'> {
  const { request } = input;
  return {
    callId: detach(request.callId).slice(0, keptCharactersMax),
    cseq: request.cseqNumber,
    mark: markOf(request.topVia.branch),
    node: input.node,
  };
}

function markOf(branch: string): number {
  let hash = 0x811c_9dc5;
  for (let position = 0; position < branch.length; position++) {
    hash = Math.imul(hash ^ branch.charCodeAt(position), 0x0100_0193);
  }
  return hash;
}

// ── contacts ────────────────────────────────────────────────────────────────────────────────────────────────────────

class Plan {
  readonly #table: LocationTable;
  readonly #input: RegistrationInput;
  readonly #path: string;
  readonly #by: ReturnType<typeof versionOf>;
  readonly #changes = new Map<string, Binding>();
  readonly #named: string[] = [];
  #outbound = false;

  constructor(table: LocationTable, input: RegistrationInput, path: string) {
    this.#table = table;
    this.#input = input;
    this.#path = path;
    this.#by = versionOf(input);
  }

  read(text: string): ContactValue | Refusal {
    const { request, rules } = this.#input;
    const value = readContact(text, request, rules.receivedName);
    if (isFailure(value)) return refuse(400, value.message);
    if (value.uri.length > rules.contactCharactersMax) {
      return refuse(400, `a Contact is longer than ${rules.contactCharactersMax} characters`);
    }
    if (value.parameters.length + value.received.length > keptCharactersMax) {
      return refuse(400, `the parameters of a Contact are longer than ${keptCharactersMax} characters`);
    }
    const { seconds } = value;
    // 10.3 step 7: only what is greater than zero, under an hour and under the minimum is too brief.
    const isBrief =
      seconds !== null && seconds > 0 && seconds < neverBriefSeconds && seconds < rules.minSeconds;
    if (!isBrief) return value;
    return refuse(423, `${seconds} s are less than ${rules.minSeconds}`, { seconds: rules.minSeconds });
  }

  /** Null: it is part of the plan, or needs nothing to be done. */
  add(value: ContactValue): Refusal | null {
    const { request, address, wall, rules } = this.#input;
    const usesOutbound = usesFlow(request, value);
    const known = usesOutbound ? this.#table.version(address, flowKey(value)) : this.#match(value.uri);
    const isCurrent = known !== null && known.expires > wall;
    // 10.3 step 7: the same Call-ID needs a higher CSeq. Of a removal we know it too, while we remember it.
    if (isCurrent && known.callId === request.callId) {
      if (request.cseqNumber < known.cseq) return outOfOrder(known, request);
      // The same request again, after its transaction was forgotten here: it gets the same answer.
      const isRepeated = request.cseqNumber === known.cseq && this.#by.mark === known.mark;
      if (isRepeated) {
        this.#named.push(known.key);
        this.#outbound ||= usesOutbound && !known.removed;
        return null;
      }
      if (request.cseqNumber === known.cseq && !rules.allowsEqualCseq) return outOfOrder(known, request);
    }
    const key = usesOutbound ? flowKey(value) : (known?.key ?? value.uri);
    this.#named.push(key);
    if (value.seconds === 0) {
      if (known !== null && !known.removed) this.#changes.set(key, removalOf(known, this.#by, wall));
      return null;
    }
    this.#outbound ||= usesOutbound;
    this.#changes.set(key, this.#bind(value, detach(key), known, usesOutbound));
    return null;
  }

  /** 503 when there are too many contacts, here or on the whole node. */
  makeRoom(): Refusal | null {
    const { address, wall, rules } = this.#input;
    const current = this.#table.lookup(address, wall);
    const isKnown = (key: string): boolean => current.some((binding) => binding.key === key);
    const changes = [...this.#changes.values()];
    const added = changes.filter((change) => !change.removed && !isKnown(change.key)).length;
    const gone = changes.filter((change) => change.removed && isKnown(change.key)).length;
    if (added === 0) return null;
    if (this.#table.isFull) return refuse(503, 'the location table is full', { seconds: fullTableSeconds });
    const most =
      rules.contactsMax === 0 ? bindingsOfAddressMax : Math.min(rules.contactsMax, bindingsOfAddressMax);
    const excess = current.length - gone + added - most;
    if (excess <= 0) return null;
    const others = current.filter((binding) => !this.#changes.has(binding.key));
    if (rules.replacesOldest && excess <= others.length) {
      const oldest = others.sort((a, b) => a.changed - b.changed).slice(0, excess);
      for (const known of oldest) this.#changes.set(known.key, removalOf(known, this.#by, wall));
      return null;
    }
    const soonest = Math.min(...current.map((binding) => binding.expires));
    const seconds = Number.isFinite(soonest) ? Math.ceil((soonest - wall) / 1000) : fullTableSeconds;
    return refuse(503, `more than ${most} contacts`, { seconds });
  }

  result(): Pick<Registration, 'changes' | 'named' | 'outbound'> {
    return { changes: [...this.#changes.values()], named: this.#named, outbound: this.#outbound };
  }

  /** 10.3 step 7: searched by URI comparison. A binding of a flow is found by its instance alone (RFC 5626 6). */
  #match(uri: string): Binding | null {
    const { request, address, rules } = this.#input;
    let removed: Binding | null = null;
    const versions = [...this.#changes.values(), ...this.#table.versions(address)];
    for (const known of versions) {
      if (isFlowKey(known.key) || !isSameContact(known.uri, uri, rules.matchedParameters)) continue;
      if (rules.matchesCallId && known.callId !== request.callId) continue;
      if (!known.removed) return known;
      removed ??= known;
    }
    return removed;
  }

  #bind(value: ContactValue, key: string, known: Binding | null, usesOutbound: boolean): Binding {
    const { request, address, wall, rules, pool, flags } = this.#input;
    const asked = value.seconds ?? rules.defaultSeconds;
    const seconds = rules.maxSeconds > 0 && asked > rules.maxSeconds ? rules.maxSeconds : asked;
    const methods = value.methods === '' ? request.values(headerNames.allow).join(',') : value.methods;
    return {
      ...this.#by,
      ...bindingId(address, key),
      key,
      removed: false,
      uri: key === value.uri ? key : detach(value.uri),
      parameters: detach(value.parameters),
      received: detach(this.#receivedFor(value, usesOutbound)),
      path: this.#path,
      q: value.q < 0 ? rules.defaultQ : value.q,
      userAgent: pool.share(request.firstValue(headerNames.userAgent).slice(0, textCharactersMax)),
      socket: pool.share(this.#input.socket),
      methods: methodBits(methods),
      expires: wall + seconds * 1000,
      flags,
      changed: nextChange(known, wall),
    };
  }

  /** Where the requests must really go; '' when the Contact says it. */
  #receivedFor(value: ContactValue, usesOutbound: boolean): string {
    const { request, received, sender, rules } = this.#input;
    if (received !== '') return received;
    if (value.received !== '') return value.received;
    if (rules.pathReceived) {
      const first = nextHop(pathParameter(request.values(headerNames.path)[0], 'received') ?? '');
      if (first !== '') return first;
    }
    // RFC 5626 5.3: of a flow that ends here, requests go back over the flow; so they do over any connection that a
    // client made, for it may well be the only way to it.
    const isFlow = usesOutbound || sender.includes(';transport=');
    return isFlow && request.values(headerNames.via).length === 1 ? sender : '';
  }
}

/** No URI begins like this. */
const flowMark = '#';

function flowKey(value: ContactValue): string {
  return `${flowMark}${value.regId}${flowMark}${value.instance}`;
}

function isFlowKey(key: string): boolean {
  return key.startsWith(flowMark);
}

export function isSameContact(known: string, uri: string, parameters: readonly string[] | null): boolean {
  if (parameters === null) return equalUris(known, uri);
  const a = parseUri(known);
  const b = parseUri(uri);
  if (isFailure(a) || isFailure(b)) return known === uri;
  if (a.scheme !== b.scheme || a.user !== b.user || a.port !== b.port) return false;
  if (a.host.toLowerCase() !== b.host.toLowerCase()) return false;
  return parameters.every((name) => a.parameter(name) === b.parameter(name));
}
