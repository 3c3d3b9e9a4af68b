/**
 * Which transports, addresses and ports a SIP URI's host stands for (RFC 3263 4.1 and 4.2, and 5 for a Via), in the
 * order in which they are to be tried. IP literals never come here. Left out: SIPS records, for there is no SIP over
 * TLS to send with.
 */

import type { NamePort, NaptrRecord, SrvRecord } from '#sip/name-port.ts';
import { unansweredCode } from '#sip/name-port.ts';
import { orderServices } from '#sip/service-order.ts';
import { Failure, isFailure } from '#util/failure.ts';

export type LocatedTransport = 'udp' | 'tcp';

export interface ServerName {
  readonly host: string;
  /** 0 when the URI has none. */
  readonly port: number;
  /** What the URI says, or our socket; null when neither does. */
  readonly transport: LocatedTransport | null;
}

export interface ServerPlace {
  readonly transport: LocatedTransport;
  /** IP text. */
  readonly address: string;
  readonly port: number;
}

export interface LocationMeans {
  readonly names: NamePort;
  /** What can be sent with, preferred first. Not empty. */
  readonly transports: readonly LocatedTransport[];
  /** Which families of addresses can be sent to. */
  readonly families: readonly ('A' | 'AAAA')[];
  readonly usesNaptr: boolean;
  random(): number;
}

type Done = (places: readonly ServerPlace[] | Failure) => void;

/** Places beyond are not tried: a caller has long given up by then. */
export const placesMax = 16;
/** Servers whose addresses are asked for at once. */
const serversMax = 12;
const naptrRecordsMax = 4;
const defaultSipPort = 5060;

const naptrServices: Readonly<Record<string, LocatedTransport>> = { 'SIP+D2U': 'udp', 'SIP+D2T': 'tcp' };

/** `done`: never an empty list; a Failure says why there is no place to try. */
export function locateServers(server: ServerName, means: LocationMeans, done: Done): void {
  const { host, port, transport } = server;
  // RFC 3263 4.1: a port says that no transport is to be looked for, 4.2: nor a service.
  if (port !== 0) {
    locateAddresses({ name: host, port, transport: transport ?? defaultTransport(means) }, means, done);
    return;
  }
  const finish: Done = (places) => {
    if (isFailure(places) || places.length > 0) done(places);
    // RFC 3263 4.2: without SRV records, the addresses of the name itself; 4.1: over UDP.
    else
      locateAddresses(
        { name: host, port: defaultSipPort, transport: transport ?? defaultTransport(means) },
        means,
        done,
      );
  };
  if (transport !== null) locateServices([service(transport, host)], means, finish);
  else if (means.usesNaptr) locateByNaptr(host, means, finish);
  else locateServices(guessedServices(host, means), means, finish);
}

interface Service {
  readonly name: string;
  readonly transport: LocatedTransport;
}

function service(transport: LocatedTransport, host: string): Service {
  return { name: `_sip._${transport}.${host}`, transport };
}

/** RFC 3263 4.1: UDP for SIP, where it can be sent. */
function defaultTransport({ transports }: LocationMeans): LocatedTransport {
  return transports.includes('udp') ? 'udp' : transports[0]!;
}

/** RFC 3263 4.1: without NAPTR records, the SRV records of each transport that we have are asked for. */
function guessedServices(host: string, { transports }: LocationMeans): Service[] {
  return transports.map((transport) => service(transport, host));
}

function locateByNaptr(host: string, means: LocationMeans, done: Done): void {
  means.names.ask('NAPTR', host, (records) => {
    if (isFailure(records) && records.code === unansweredCode) {
      done(records);
      return;
    }
    // A server that refuses this kind of question may well know the others.
    const services = isFailure(records) ? [] : naptrServicesOf(records, means);
    locateServices(services.length > 0 ? services : guessedServices(host, means), means, done);
  });
}

/** RFC 3263 4.1: what we cannot send with is left out; then the lowest order, lowest preferences first. */
function naptrServicesOf(records: readonly NaptrRecord[], { transports }: LocationMeans): Service[] {
  const usable = records.flatMap((record) => {
    const transport = naptrServices[record.service.toUpperCase()];
    if (transport === undefined || !transports.includes(transport)) return [];
    if (record.flags.toLowerCase() !== 's' || record.replacement === '') return [];
    return [{ order: record.order, preference: record.preference, name: record.replacement, transport }];
  });
  const lowest = Math.min(...usable.map((record) => record.order));
  return usable
    .filter((record) => record.order === lowest)
    .sort((a, b) => a.preference - b.preference)
    .slice(0, naptrRecordsMax);
}

interface Server extends Service {
  readonly port: number;
}

/** An empty list when none of the services exists. */
function locateServices(services: readonly Service[], means: LocationMeans, done: Done): void {
  const found: Server[][] = services.map(() => []);
  let refused: Failure | null = null;
  const finish = counted(services.length, () => {
    const servers = found.flat().slice(0, serversMax);
    if (servers.length > 0) locateEach(servers, means, done);
    else done(refused ?? []);
  });
  for (const [index, { name, transport }] of services.entries()) {
    means.names.ask('SRV', name, (records) => {
      if (isFailure(records)) {
        if (records.code === unansweredCode) refused = records;
      } else if (isAbsent(records)) {
        // RFC 2782: a target of "." says that the service is decidedly not there.
        refused ??= new Failure('SIP_SERVICE_ABSENT', `the domain says that it has no ${name}`);
      } else {
        const ordered = orderServices(records, means.random);
        found[index] = ordered.map((record) => ({ name: record.name, port: record.port, transport }));
      }
      finish();
    });
  }
}

function isAbsent(records: readonly SrvRecord[]): boolean {
  return records.length === 1 && (records[0]!.name === '' || records[0]!.name === '.');
}

/** The addresses of every server, in the order of the servers. */
function locateEach(servers: readonly Server[], means: LocationMeans, done: Done): void {
  const found: (readonly ServerPlace[])[] = servers.map(() => []);
  let refused: Failure | null = null;
  const finish = counted(servers.length, () => {
    const places = found.flat().slice(0, placesMax);
    done(places.length > 0 ? places : refused!);
  });
  for (const [index, { name, port, transport }] of servers.entries()) {
    locateAddresses({ name, port, transport }, means, (places) => {
      if (isFailure(places)) refused = places;
      else found[index] = places;
      finish();
    });
  }
}

/** RFC 3263 4.2: A and AAAA records, all of them, in the order of `families`. */
function locateAddresses({ name, port, transport }: Server, means: LocationMeans, done: Done): void {
  const { families, names } = means;
  const found: (readonly string[])[] = families.map(() => []);
  let refused: Failure | null = null;
  const finish = counted(families.length, () => {
    const addresses = found.flat().slice(0, placesMax);
    if (addresses.length > 0) done(addresses.map((address) => ({ transport, address, port })));
    else done(refused ?? new Failure('SIP_NAME_UNRESOLVED', `the name "${name}" has no address`));
  });
  for (const [index, family] of families.entries()) {
    names.ask(family, name, (addresses) => {
      if (isFailure(addresses)) refused = addresses;
      else found[index] = addresses;
      finish();
    });
  }
}

/** Runs at the call number `count`. */
function counted(count: number, run: () => void): () => void {
  let left = count;
  return () => {
    left--;
    if (left === 0) run();
  };
}
