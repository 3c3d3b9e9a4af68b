/**
 * Questions to the DNS servers of this machine (`node:dns`, its own sockets: neither the event loop nor the thread pool
 * waits). Names of /etc/hosts come first, and are not asked for. Node tells the lifetime of addresses alone.
 */

import { Resolver } from 'node:dns';
import type { HostFile } from '#net/host-file.ts';
import type { NameClient, TimedRecords } from '#net/name-cache.ts';
import { type NameKind, type NameRecords, unansweredCode } from '#sip/name-port.ts';
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

/** NAPTR and SRV records, whose own lifetime is not told. */
const serviceSeconds = 60;
/** How long a name that does not exist is believed not to (RFC 2308 5: at most the SOA's; it is not told either). */
const absenceSeconds = 30;
/** What stands in a file of this machine may change at once. */
const fileSeconds = 5;
/** However many servers and tries there are: a caller does not wait longer. */
const questionMillisecondsMax = 12_000;

/** Codes that say "there is nothing of the kind". */
const absences: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'ENONAME']);
/** Codes of a server that is not there, or that nobody heard from. */
const silences: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED']);

type Done<Kind extends NameKind> = (answer: TimedRecords<Kind> | Failure) => void;

interface Found {
  readonly error: NodeJS.ErrnoException | null;
  readonly records: NameRecords[NameKind];
  readonly life: number;
}

export class DnsClient implements NameClient {
  readonly #resolver: Resolver;
  readonly #hosts: HostFile;
  readonly #afterAnswer: () => void;

  /** `afterAnswer` runs when an answer has been dealt with. */
  constructor(settings: NameClientSettings, hosts: HostFile, afterAnswer: () => void) {
    this.#resolver = new Resolver({ timeout: settings.tryMilliseconds, tries: settings.tries });
    const servers = settings.servers.length > 0 ? [...settings.servers] : this.#resolver.getServers();
    if (settings.serversMax > 0) servers.splice(settings.serversMax);
    this.#resolver.setServers(servers);
    this.#hosts = hosts;
    this.#afterAnswer = afterAnswer;
  }

  ask<Kind extends NameKind>(kind: Kind, name: string, done: Done<Kind>): void {
    const answer = (found: TimedRecords<NameKind> | Failure): void => {
      done(found as TimedRecords<Kind> | Failure);
      this.#afterAnswer();
    };
    this.#hosts.find(name, (addresses) => {
      if (addresses === null) this.#askServers(kind, name, answer);
      else answer({ records: fromFile(kind, addresses), life: fileSeconds });
    });
  }

  close(): void {
    this.#resolver.cancel();
  }

  #askServers(kind: NameKind, name: string, done: Done<NameKind>): void {
    let isOver = false;
    const finish = (answer: TimedRecords<NameKind> | Failure): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      done(answer);
    };
    const late = new Failure(unansweredCode, `no DNS server answered about "${name}" (${kind}) in time`);
    const timer = setTimeout(() => finish(late), questionMillisecondsMax);
    try {
      this.#query(kind, name, (found) => finish(judge(kind, name, found)));
    } catch (error) {
      // A name that Node itself refuses, by throwing.
      finish(new Failure('NET_NAME_INVALID', `"${name}" cannot be asked for: ${String(error)}`));
    }
  }

  #query(kind: NameKind, name: string, done: (found: Found) => void): void {
    const resolver = this.#resolver;
    if (kind === 'A' || kind === 'AAAA') {
      const take = (
        error: NodeJS.ErrnoException | null,
        list: readonly { address: string; ttl: number }[],
      ): void => {
        const records = (list ?? []).map((entry) => entry.address);
        done({ error, records, life: Math.min(...(list ?? []).map((entry) => entry.ttl)) });
      };
      if (kind === 'A') resolver.resolve4(name, { ttl: true }, take);
      else resolver.resolve6(name, { ttl: true }, take);
    } else if (kind === 'SRV')
      resolver.resolveSrv(name, (error, records) =>
        done({ error, records: records ?? [], life: serviceSeconds }),
      );
    else
      resolver.resolveNaptr(name, (error, records) =>
        done({ error, records: records ?? [], life: serviceSeconds }),
      );
  }
}

function judge(
  kind: NameKind,
  name: string,
  { error, records, life }: Found,
): TimedRecords<NameKind> | Failure {
  if (error === null) return records.length === 0 ? { records, life: absenceSeconds } : { records, life };
  const code = error.code ?? 'UNKNOWN';
  if (absences.has(code)) return { records: [], life: absenceSeconds };
  if (silences.has(code))
    return new Failure(unansweredCode, `no DNS server answered about "${name}" (${kind}): ${code}`);
  return new Failure('NET_NAME_REFUSED', `the DNS servers would not say about "${name}" (${kind}): ${code}`);
}

/** A name of the file has no records but addresses. */
function fromFile(kind: NameKind, addresses: readonly string[]): NameRecords[NameKind] {
  if (kind === 'A') return addresses.filter((address) => !address.includes(':'));
  return kind === 'AAAA' ? addresses.filter((address) => address.includes(':')) : [];
}
