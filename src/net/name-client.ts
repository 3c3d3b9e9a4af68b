/**
 * Questions to the DNS servers of this machine: their addresses come from `node:dns`, but that tells no lifetime of
 * SRV and NAPTR records, nor of what does not exist. Names of /etc/hosts come first, and are not asked for.
 */

import { getServers } from 'node:dns';
import type { Answer, DecodedPacket } from 'dns-packet';
import {
  DnsExchange,
  type DnsServerPlace,
  type ExchangeProblem,
  type ExchangeSettings,
} from '#net/dns-exchange.ts';
import type { HostFile } from '#net/host-file.ts';
import type { NameClient, TimedRecords } from '#net/name-cache.ts';
import {
  type NameKind,
  type NameRecords,
  type NaptrRecord,
  type SrvRecord,
  unansweredCode,
} from '#sip/name-port.ts';
import { Failure } from '#util/failure.ts';

export interface NameClientSettings {
  /** `ADDRESS` or `ADDRESS:PORT`; empty: those of /etc/resolv.conf. */
  readonly servers: readonly string[];
  /** At most so many of them; 0: all. */
  readonly serversMax: number;
  /** ms for one try. */
  readonly tryMilliseconds: number;
  readonly tries: number;
}

/** How long a name that does not exist is believed not to, when no SOA says it. */
const absenceSeconds = 30;
/** RFC 2308 5: no longer than this, whatever the SOA says. */
const absenceSecondsMax = 900;
/** CNAMEs behind each other, over all questions that they take. */
const aliasesMax = 8;
const nameBytesMax = 253;
const labelBytesMax = 63;
const dnsPort = 53;
/** What stands in a file of this machine may change at once. */
const fileSeconds = 5;
/** However many servers and tries there are: a caller does not wait longer. */
const questionMillisecondsMax = 12_000;

type Done<Kind extends NameKind> = (answer: TimedRecords<Kind> | Failure) => void;

export class DnsClient implements NameClient {
  readonly #settings: ExchangeSettings;
  readonly #hosts: HostFile;
  readonly #afterAnswer: () => void;
  readonly #open = new Set<DnsExchange>();

  /** `afterAnswer` runs when an answer has been dealt with. */
  constructor(settings: NameClientSettings, hosts: HostFile, afterAnswer: () => void) {
    const { servers, serversMax, tryMilliseconds, tries } = settings;
    const places = (servers.length > 0 ? servers : getServers()).map(readPlace);
    if (serversMax > 0) places.splice(serversMax);
    this.#settings = { servers: places, tryMilliseconds, tries };
    this.#hosts = hosts;
    this.#afterAnswer = afterAnswer;
  }

  ask<Kind extends NameKind>(kind: Kind, name: string, done: Done<Kind>): void {
    const answer = (found: TimedRecords<NameKind> | Failure): void => {
      done(found as TimedRecords<Kind> | Failure);
      this.#afterAnswer();
    };
    this.#hosts.find(name, (addresses) => {
      if (addresses === null && !canBeAsked(name))
        answer(new Failure('NET_NAME_INVALID', `"${name}" is no name that a DNS server could know`));
      else if (addresses === null) this.#askServers(kind, name, answer);
      else answer({ records: fromFile(kind, addresses), life: fileSeconds });
    });
  }

  close(): void {
    for (const exchange of this.#open) exchange.cancel();
    this.#open.clear();
  }

  #askServers(kind: NameKind, name: string, done: Done<NameKind>): void {
    let current: DnsExchange | null = null;
    const finish = (answer: TimedRecords<NameKind> | Failure): void => {
      clearTimeout(timer);
      this.#end(current);
      done(answer);
    };
    const timer = setTimeout(() => finish(unanswered(kind, name, late)), questionMillisecondsMax);
    const ask = (alias: string, life: number, aliasesLeft: number): void => {
      this.#end(current);
      current = new DnsExchange(this.#settings, { kind, name: alias }, (reply) => {
        if ('reason' in reply) {
          finish(unanswered(kind, name, reply));
          return;
        }
        const found = readRecords(kind, alias, reply, { life, aliasesLeft });
        if ('alias' in found) ask(found.alias, found.life, found.aliasesLeft);
        else finish(found);
      });
      this.#open.add(current);
    };
    ask(name, Number.POSITIVE_INFINITY, aliasesMax);
  }

  #end(exchange: DnsExchange | null): void {
    if (exchange === null) return;
    exchange.cancel();
    this.#open.delete(exchange);
  }
}

/** RFC 1035 2.3.4. */
function canBeAsked(name: string): boolean {
  const lengths = name.split('.').map((label) => Buffer.byteLength(label));
  return (
    Buffer.byteLength(name) <= nameBytesMax &&
    lengths.every((length) => length > 0 && length <= labelBytesMax)
  );
}

/** `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`. */
function readPlace(text: string): DnsServerPlace {
  const bracketed = /^\[(.*)\](?::(\d+))?$/.exec(text);
  if (bracketed !== null) return { address: bracketed[1]!, port: Number(bracketed[2] ?? dnsPort) };
  const parts = text.split(':');
  // An IPv6 address without brackets has no port.
  if (parts.length !== 2) return { address: text, port: dnsPort };
  return { address: parts[0]!, port: Number(parts[1]) };
}

const late: ExchangeProblem = { reason: `nothing in ${questionMillisecondsMax} ms`, isSilent: true };

function unanswered(kind: NameKind, name: string, { reason, isSilent }: ExchangeProblem): Failure {
  if (isSilent)
    return new Failure(unansweredCode, `no DNS server answered about "${name}" (${kind}): ${reason}`);
  return new Failure('NET_NAME_REFUSED', `no DNS server would say about "${name}" (${kind}): ${reason}`);
}

/** What is still to be asked for: where the last CNAME of a reply leads. */
interface Alias {
  readonly alias: string;
  readonly life: number;
  readonly aliasesLeft: number;
}

/** RFC 1034 3.6.2: follows CNAMEs; the shortest lifetime on the way counts. */
function readRecords(
  kind: NameKind,
  asked: string,
  reply: DecodedPacket,
  before: { readonly life: number; readonly aliasesLeft: number },
): TimedRecords<NameKind> | Alias {
  const answers = reply.answers ?? [];
  let { life, aliasesLeft } = before;
  let name = asked.toLowerCase();
  for (;;) {
    const own = answers.filter((answer) => answer.type === kind && answer.name.toLowerCase() === name);
    if (own.length > 0) return recordsOf(kind, own, life);
    const next = answers.find((answer) => answer.type === 'CNAME' && answer.name.toLowerCase() === name);
    if (next?.type !== 'CNAME' || aliasesLeft === 0) break;
    aliasesLeft--;
    life = Math.min(life, next.ttl ?? 0);
    name = next.data.toLowerCase();
  }
  if (name !== asked.toLowerCase() && aliasesLeft > 0) return { alias: name, life, aliasesLeft };
  return { records: [], life: Math.min(life, absenceOf(reply)) };
}

function recordsOf(kind: NameKind, answers: readonly Answer[], before: number): TimedRecords<NameKind> {
  let life = before;
  const records: (string | SrvRecord | NaptrRecord)[] = [];
  for (const answer of answers) {
    if (answer.type !== kind) continue;
    life = Math.min(life, answer.ttl ?? 0);
    if (answer.type === 'A' || answer.type === 'AAAA') records.push(answer.data);
    else if (answer.type === 'SRV') {
      const { priority = 0, weight = 0, port, target } = answer.data;
      records.push({ priority, weight, port, name: target });
    } else if (answer.type === 'NAPTR') {
      const { order, preference, flags, services, replacement } = answer.data;
      records.push({ order, preference, flags, service: services, replacement });
    }
  }
  return { records: records as NameRecords[NameKind], life };
}

/** RFC 2308 5: the lesser of the SOA's own lifetime and its minimum. */
function absenceOf(reply: DecodedPacket): number {
  const soa = reply.authorities?.find((record) => record.type === 'SOA');
  if (soa?.type !== 'SOA') return absenceSeconds;
  return Math.min(absenceSecondsMax, soa.ttl ?? 0, soa.data.minimum ?? 0);
}

/** A name of the file has no records but addresses. */
function fromFile(kind: NameKind, addresses: readonly string[]): NameRecords[NameKind] {
  if (kind === 'A') return addresses.filter((address) => !address.includes(':'));
  return kind === 'AAAA' ? addresses.filter((address) => address.includes(':')) : [];
}
