/**
 * Keeps the entries of address translators open: every contact is pinged once per interval, by one node of the
 * cluster, spread evenly over the interval. A ping is a datagram of four zero bytes, or a SIP request for contacts
 * that carry `sipping_bflag`; contacts that carry `remove_on_timeout_bflag` and answer no SIP ping are removed.
 */

import { type ClusterSubscriber, clusterChannels, type ModuleHost } from '#module/host.ts';
import type { Counter } from '#module/statistics.ts';
import { type PingMark, pingRequest, readPingBranch } from '#modules/nathelper/ping-message.ts';
import type { Binding } from '#registrar/binding.ts';
import { type LocationService, locationService } from '#registrar/location-service.ts';
import { bucketsCount } from '#registrar/location-table.ts';
import type { SipMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';

export interface PingSettings {
  readonly intervalSeconds: number;
  /** Only contacts with usrloc's `nat_bflag`. */
  readonly onlyTranslated: boolean;
  /** Branch flags as bits, 0 = none. */
  readonly sipFlag: number;
  readonly removeFlag: number;
  /** URI, '' = no SIP pings. */
  readonly from: string;
  readonly method: string;
  readonly ignoredStatuses: readonly number[];
  /** Pings over TCP and TLS too. */
  readonly overStreams: boolean;
  readonly lostMax: number;
  /** Socket for all pings, null = that of the registration. */
  readonly socket: LocalSocket | null;
}

/** A step of a round: short enough that its pings are no burst. */
const stepMilliseconds = 100;
/** RFC 3948 and old custom: bytes that no SIP client takes for a message. */
const blank = new Uint8Array(4);
/** RFC 5626 3.5.1 */
const doubleCrlf = Buffer.from('\r\n\r\n');
/** Contacts whose answers are waited for; each some 100 bytes. */
const watchedMax = 1_000_000;

interface Watch {
  readonly address: string;
  readonly key: string;
  mark: string;
  /** Pings without an answer, the last one included until it is answered. */
  lost: number;
  round: number;
}

export class NatPings implements ClusterSubscriber {
  readonly #host: ModuleHost;
  readonly #settings: PingSettings;
  readonly #watched = new Map<string, Watch>();
  readonly #counters: Readonly<Record<'sent' | 'answered' | 'failed' | 'removed', Counter>>;
  #location: LocationService | null = null;
  #nextBucket = 0;
  /** Buckets that are due, times the interval: whole numbers, so that no round is longer than another. */
  #owed = 0;
  #round = 0;
  isEnabled = true;

  constructor(host: ModuleHost, settings: PingSettings) {
    this.#host = host;
    this.#settings = settings;
    const counter = (name: string): Counter => host.statistics.counter('nathelper', name);
    this.#counters = {
      sent: counter('pings_sent'),
      answered: counter('pings_answered'),
      failed: counter('pings_failed'),
      removed: counter('contacts_removed'),
    };
    host.every(stepMilliseconds, () => this.#step());
    host.hooks.onForeignReply.push((response) => this.#onReply(response));
    host.cluster?.subscribe(clusterChannels.keepAlive, this);
  }

  // ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────

  #onReply(response: SipMessage): boolean {
    const { branch } = response.topVia;
    const mark = readPingBranch(branch);
    if (mark === null) return false;
    if (response.status < 200 || this.#settings.ignoredStatuses.includes(response.status)) return true;
    // The anycast address gave it to us, but another node waits for it.
    if (mark.node === this.#host.nodeId) this.#answered(mark);
    else this.#host.cluster?.send(mark.node, clusterChannels.keepAlive, Buffer.from(branch, 'latin1'));
    return true;
  }

  onMessage(_from: number, body: Uint8Array): void {
    const mark = readPingBranch(Buffer.from(body).toString('latin1'));
    if (mark !== null && mark.node === this.#host.nodeId) this.#answered(mark);
  }

  onPeerUp(): void {}

  onPeerDown(): void {}

  #answered(mark: PingMark): void {
    this.#counters.answered.value++;
    const watch = this.#watched.get(nameOf(mark));
    if (watch !== undefined && watch.mark === mark.mark) watch.lost = 0;
  }

  // ── pings ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #step(): void {
    this.#location ??= this.#host.optionalService(locationService);
    const location = this.#location;
    if (location === null || !this.isEnabled) return;
    const interval = this.#settings.intervalSeconds * 1000;
    this.#owed += bucketsCount * stepMilliseconds;
    const wall = this.#host.clock.wall();
    const due: { address: string; binding: Binding }[] = [];
    for (; this.#owed >= interval; this.#owed -= interval) {
      location.table.visit(this.#nextBucket, (address, binding) => {
        if (!binding.removed && binding.expires > wall && this.#isWanted(location, binding)) {
          due.push({ address, binding });
        }
      });
      this.#nextBucket = (this.#nextBucket + 1) % bucketsCount;
      if (this.#nextBucket === 0) this.#endRound();
    }
    for (const { address, binding } of due) this.#ping(location, address, binding);
  }

  #isWanted(location: LocationService, binding: Binding): boolean {
    if (this.#settings.onlyTranslated && (binding.flags & location.natFlag) === 0) return false;
    return location.isOurs(binding);
  }

  /** What was not pinged for a round is gone, or another node's. */
  #endRound(): void {
    this.#round++;
    for (const [name, watch] of this.#watched) if (watch.round < this.#round - 1) this.#watched.delete(name);
  }

  #ping(location: LocationService, address: string, binding: Binding): void {
    const { from, sipFlag } = this.#settings;
    const isSip = from !== '' && (binding.flags & sipFlag) !== 0;
    const mark = {
      node: this.#host.nodeId,
      idHigh: binding.idHigh,
      idLow: binding.idLow,
      mark: `${this.#host.incarnation.toString(36)}.${this.#round.toString(36)}`,
    };
    if (isSip && !this.#watch(location, address, binding, mark)) return;
    const next = binding.received === '' ? (firstUri(binding.path) ?? binding.uri) : binding.received;
    // A proxy on the way keeps its own entries open: what is not SIP does not get through it.
    if (!isSip && binding.path !== '') return;
    if (!this.#isReached(next)) return;
    const socket = this.#settings.socket ?? this.#host.socketNamed(binding.socket);
    this.#host.resolve(next, socket, (flow) => {
      if (isFailure(flow)) this.#counters.failed.value++;
      else this.#send(flow, binding, isSip ? mark : null);
    });
  }

  #send(flow: Flow, binding: Binding, mark: PingMark | null): void {
    this.#counters.sent.value++;
    if (mark === null) {
      this.#host.send(flow.socket.protocol === 'udp' ? blank : doubleCrlf, flow);
      return;
    }
    const { method, from } = this.#settings;
    const { uri, path } = binding;
    this.#host.send(toBytes(pingRequest({ method, from, uri, path, socket: flow.socket, mark })), flow);
  }

  #isReached(uri: string): boolean {
    const parsed = parseUri(uri);
    if (isFailure(parsed) || parsed.scheme === 'tel') return false;
    const transport = parsed.parameter('transport')?.toLowerCase() ?? 'udp';
    return transport === 'udp' || this.#settings.overStreams;
  }

  /** False when the contact has answered too few pings and was removed. */
  #watch(location: LocationService, address: string, binding: Binding, mark: PingMark): boolean {
    const { removeFlag, lostMax } = this.#settings;
    if ((binding.flags & removeFlag) === 0) return true;
    const name = nameOf(mark);
    const watch = this.#watched.get(name);
    if (watch === undefined) {
      if (this.#watched.size >= watchedMax) return true;
      this.#watched.set(name, { address, key: binding.key, mark: mark.mark, lost: 1, round: this.#round });
      return true;
    }
    if (watch.lost >= lostMax) {
      this.#watched.delete(name);
      this.#counters.removed.value++;
      this.#host.log.info(
        `nathelper: ${address} answered none of ${watch.lost} pings at ${binding.uri}: removed`,
      );
      location.remove(address, [binding]);
      return false;
    }
    watch.mark = mark.mark;
    watch.lost++;
    watch.round = this.#round;
    return true;
  }
}

function nameOf({ idHigh, idLow }: PingMark): string {
  return `${idHigh} ${idLow}`;
}

/** First URI of a Path; null without one. */
function firstUri(path: string): string | null {
  const start = path.indexOf('<');
  const end = path.indexOf('>', start);
  return start === -1 || end === -1 ? null : path.slice(start + 1, end);
}
