/**
 * Where host names lead (RFC 3263): what the DNS says, with what this node can send, and places that failed lately
 * last. Nobody is refused for a place that failed: it is tried when nothing else is left.
 */

import type { Statistics } from '#module/statistics.ts';
import type { NameConfiguration } from '#server/configuration.ts';
import { RecentNames } from '#server/recent-names.ts';
import type { NamePort } from '#sip/name-port.ts';
import {
  type LocatedTransport,
  locateServers,
  type ServerName,
  type ServerPlace,
} from '#sip/server-location.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';

export interface LocationParts {
  readonly names: NamePort;
  readonly settings: NameConfiguration;
  readonly sockets: readonly LocalSocket[];
  readonly statistics: Statistics;
  monotonic(): number;
  random(bytes: number): Buffer;
}

/** A place that did not answer is tried last for so long: OpenSIPS's blacklist of failed destinations lasts as long. */
const avoidedMilliseconds = 60_000;

export class Locations {
  readonly #parts: LocationParts;
  readonly #avoided = new RecentNames(avoidedMilliseconds);
  readonly #transports: readonly LocatedTransport[];
  readonly #counters: { readonly located: { value: number }; readonly unlocated: { value: number } };
  readonly #avoidedCounter: { value: number };

  constructor(parts: LocationParts) {
    this.#parts = parts;
    const { sockets, statistics } = parts;
    // RFC 3263 4.1: UDP first, as in all that names no transport.
    this.#transports = (['udp', 'tcp'] as const).filter((transport) =>
      sockets.some((socket) => socket.protocol === transport),
    );
    this.#counters = {
      located: statistics.counter('dns', 'located'),
      unlocated: statistics.counter('dns', 'unlocated'),
    };
    this.#avoidedCounter = statistics.counter('dns', 'avoided_places');
  }

  /** The places of a server, in the order in which they are to be tried; never an empty list. */
  find(server: ServerName, done: (places: readonly ServerPlace[] | Failure) => void): void {
    const { names, settings } = this.#parts;
    const means = {
      names,
      transports: this.#transports,
      families: this.#families(server.transport),
      usesNaptr: settings.usesNaptr,
      random: () => this.#parts.random(4).readUInt32BE() / 2 ** 32,
    };
    locateServers(server, means, (places) => {
      if (isFailure(places)) {
        this.#counters.unlocated.value++;
        done(places);
        return;
      }
      this.#counters.located.value++;
      const ordered = this.#failedLast(places);
      done(settings.failsOver ? ordered : ordered.slice(0, 1));
    });
  }

  /** The place could not be reached, or could not serve. */
  avoid({ socket, address, port }: Flow): void {
    if (!this.#parts.settings.avoidsFailed) return;
    this.#avoidedCounter.value++;
    this.#avoided.add(`${socket.protocol} ${address} ${port}`, this.#parts.monotonic());
  }

  #failedLast(places: readonly ServerPlace[]): readonly ServerPlace[] {
    const now = this.#parts.monotonic();
    const isAvoided = ({ transport, address, port }: ServerPlace): boolean =>
      this.#avoided.has(`${transport} ${address} ${port}`, now);
    const failed = places.filter(isAvoided);
    if (failed.length === 0) return places;
    return [...places.filter((place) => !failed.includes(place)), ...failed];
  }

  /** IPv4 first where both can be sent to; `dns_try_ipv6=no` leaves IPv6 to nodes that have nothing else. */
  #families(transport: LocatedTransport | null): ('A' | 'AAAA')[] {
    const sockets = this.#parts.sockets.filter(
      (socket) => transport === null || socket.protocol === transport,
    );
    const hasFour = sockets.some((socket) => !socket.address.includes(':'));
    const hasSix = sockets.some((socket) => socket.address.includes(':'));
    const families: ('A' | 'AAAA')[] = hasFour ? ['A'] : [];
    if (hasSix && (!hasFour || this.#parts.settings.triesIpv6)) families.push('AAAA');
    return families;
  }
}
