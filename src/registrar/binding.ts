/**
 * One Contact bound to an address of record (RFC 3261 10). Every change makes a new value with a version, `changed`
 * and `node`: of two versions the later one wins on every node, in whatever order they arrive. A removal is a version
 * too, and is remembered until no older copy can be alive any more.
 */

import { hash } from 'node:crypto';
import { findParameter } from '#sip/parameters.ts';

export interface Binding {
  /**
   * What tells it from the other bindings of its address on every node: the URI with which it was first registered,
   * or `instance#reg-id` (RFC 5626 6).
   */
  readonly key: string;
  /** 63 bits of a hash of address and key, as two signed words: `contact_id` of the table `location`. */
  readonly idHigh: number;
  readonly idLow: number;
  /** True: the binding is gone, and `expires` says until when that must be remembered. */
  readonly removed: boolean;
  /** Contact URI as registered. */
  readonly uri: string;
  /** Contact parameters but q, expires and received, `;…`. */
  readonly parameters: string;
  /** Where the REGISTER came from, as a URI (`sip:ip:port`), '' when the Contact can be used as it is. */
  readonly received: string;
  /** Path vector (RFC 3327), ''. */
  readonly path: string;
  /** q × 1000, -1 unset. */
  readonly q: number;
  readonly callId: string;
  readonly cseq: number;
  /** Hash of the REGISTER's branch: tells a repeated request from a second one with the same CSeq. */
  readonly mark: number;
  readonly userAgent: string;
  /** Socket that the REGISTER arrived on, `udp:ip:port`, '' unknown. */
  readonly socket: string;
  /** Bits of the methods that the UA allows, see methods.ts; 0 = it did not say. */
  readonly methods: number;
  /** Unix milliseconds. */
  readonly expires: number;
  /** Branch flags of this node, see {@link FlagTexts}. */
  readonly flags: number;
  /** Unix milliseconds, but always more than that of the version it replaces. */
  readonly changed: number;
  /** Node that made this version; 0 = it was read from a table that does not say. */
  readonly node: number;
}

/** Flags have other bits on nodes with another script: between nodes and in the database they are names. */
export interface FlagTexts {
  /** Names, separated by blanks. */
  write(flags: number): string;
  read(names: string): number;
}

export interface BindingId {
  readonly idHigh: number;
  readonly idLow: number;
}

/** Equal on every node and after every restart. Collisions are beyond reach of who chooses addresses (SHA-256). */
export function bindingId(address: string, key: string): BindingId {
  const digest = hash('sha256', `${address}\0${key}`, 'buffer');
  return { idHigh: digest.readInt32BE(0) & 0x7fff_ffff, idLow: digest.readInt32BE(4) };
}

/** Decimal text of the id: 63 bits are more than a number holds. */
export function contactIdText(id: BindingId): string {
  return ((BigInt(id.idHigh) << 32n) | BigInt(id.idLow >>> 0)).toString();
}

/** `+sip.instance` of the Contact (RFC 5626 4.1), null without one. */
export function instanceOf(binding: Binding): string | null {
  return findParameter(binding.parameters, '+sip.instance');
}

/** True when `known` must not be replaced by `other`: it is later, or the very same version. */
export function isAtLeast(known: Binding, other: Binding): boolean {
  if (known.changed !== other.changed) return known.changed > other.changed;
  return known.node >= other.node;
}

/** A refresh that comes later than this before the end of its binding is news: the peers are about to forget it. */
const lastMomentMilliseconds = 2000;

/** True when requests find another way, or a way at all, by `change` than by `known`: a mere refresh changes nothing. */
export function changesWay(known: Binding | null, change: Binding, wall: number): boolean {
  if (known === null || known.removed || change.removed) return known?.removed !== true || !change.removed;
  if (known.expires < wall + lastMomentMilliseconds) return true;
  return (
    known.uri !== change.uri ||
    known.received !== change.received ||
    known.path !== change.path ||
    known.socket !== change.socket ||
    known.q !== change.q ||
    known.methods !== change.methods ||
    known.userAgent !== change.userAgent ||
    known.flags !== change.flags
  );
}

/** The version after `known` (null: the first one), whatever this node's clock says. */
export function nextChange(known: Binding | null, wall: number): number {
  return known === null ? wall : Math.max(wall, known.changed + 1);
}

/** Peers' clocks differ by less, and no datagram is older. */
const removalSlackMilliseconds = 60_000;

/** The removal of `known`: kept until every older copy of it has expired by itself. */
export function removalOf(
  known: Binding,
  by: Pick<Binding, 'callId' | 'cseq' | 'mark' | 'node'>,
  wall: number,
): Binding {
  return {
    ...known,
    removed: true,
    uri: known.key,
    parameters: '',
    received: '',
    path: '',
    userAgent: '',
    socket: '',
    q: -1,
    methods: 0,
    flags: 0,
    callId: by.callId,
    cseq: by.cseq,
    mark: by.mark,
    node: by.node,
    expires: Math.max(known.expires, wall) + removalSlackMilliseconds,
    changed: nextChange(known, wall),
  };
}
