/**
 * Frames on their way out: finds the connection by which a node is reached, queues, and has every connection that got
 * something written once when the turn of the event loop ends. What cannot be sent is counted by cause and peer.
 */

import type { Connection, IncomingFrame } from '#cluster/connection.ts';
import { frameTypes } from '#cluster/frame.ts';
import type { FrameSender, OutgoingFrame } from '#cluster/frame-sender.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';

export interface OutboxUser {
  /** Before anything is written: a last chance to add frames, for all peers. */
  onTurnEnd(now: number): void;
  /** The peer's own link is about to be written to: more may ride along. */
  onLinkFlush(peer: Peer, now: number): void;
}

/** Frame types of one connection, which no node passes on. */
const linkTypes: readonly number[] = [
  frameTypes.hello,
  frameTypes.proof,
  frameTypes.refuse,
  frameTypes.goodbye,
  frameTypes.heartbeat,
  frameTypes.reach,
];

export function isOfLink(type: number): boolean {
  return linkTypes.includes(type);
}

export class Outbox implements FrameSender {
  readonly #nodeId: number;
  readonly #peers: PeerTable;
  readonly #user: OutboxUser;
  readonly #endOfTurn: (run: (now: number) => void) => void;
  readonly #waiting = new Set<Connection>();
  /** Those with nothing but patient frames. */
  readonly #patient = new Set<Connection>();
  #isScheduled = false;

  constructor(
    nodeId: number,
    peers: PeerTable,
    endOfTurn: (run: (now: number) => void) => void,
    user: OutboxUser,
  ) {
    this.#nodeId = nodeId;
    this.#peers = peers;
    this.#endOfTurn = endOfTurn;
    this.#user = user;
  }

  send<Body>(now: number, node: number, frame: OutgoingFrame<Body>): boolean {
    const peer = this.#peers.get(node);
    return peer !== null && this.#sendBy(now, peer, peer.path, frame);
  }

  /** As `send`, but by the link of another peer, which passes it on. */
  sendThrough<Body>(now: number, node: number, relay: Peer, frame: OutgoingFrame<Body>): boolean {
    const peer = this.#peers.get(node);
    return peer !== null && this.#sendBy(now, peer, relay.connection, frame);
  }

  #sendBy<Body>(now: number, peer: Peer, path: Connection | null, frame: OutgoingFrame<Body>): boolean {
    if (path === null || path.writer === null) {
      peer.counters.drops.unreachable++;
      return false;
    }
    const address = { type: frame.type, source: this.#nodeId, destination: peer.id };
    if (!path.writer.add(now, address, frame)) {
      peer.counters.drops.queueFull++;
      return false;
    }
    if (frame.isPatient === true) {
      this.#patient.add(path);
      return true;
    }
    this.#waiting.add(path);
    this.schedule();
    return true;
  }

  /** Patient frames have waited long enough: they leave when this turn ends. */
  hurry(): void {
    for (const connection of this.#patient) this.#waiting.add(connection);
    this.schedule();
  }

  /**
   * Passes on a frame of `from` that is meant for another node. One hop only, so frames never circle: it must come
   * from its source itself, and its destination must be at the other end of one of our links.
   */
  relay(now: number, from: Peer, frame: IncomingFrame): void {
    const { header, bytes, start, end } = frame;
    const peer = this.#peers.get(header.destination);
    const writer = peer?.connection?.writer ?? null;
    if (peer === null || writer === null || header.source !== from.id || isOfLink(header.type)) {
      from.counters.drops.relayRefused++;
      return;
    }
    const queue = writer.queue(isUrgent(header.type) ? 'urgent' : 'bulk');
    if (!queue.addEncoded(now, bytes, start, end)) {
      peer.counters.drops.queueFull++;
      return;
    }
    from.counters.relayed++;
    this.#waiting.add(peer.connection!);
    this.schedule();
  }

  /** Has `onTurnEnd` called, and what waits written, when this turn ends. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#endOfTurn((now) => this.flush(now));
  }

  flush(now: number): void {
    this.#user.onTurnEnd(now);
    for (const connection of this.#waiting) {
      this.#patient.delete(connection);
      if (connection.state !== 'up') continue;
      const peer = this.#peers.get(connection.hello!.nodeId);
      if (peer?.connection === connection) this.#user.onLinkFlush(peer, now);
      connection.writer!.flush(now);
    }
    this.#waiting.clear();
    this.#isScheduled = false;
  }
}

function isUrgent(type: number): boolean {
  return type !== frameTypes.channel && type !== frameTypes.call && type !== frameTypes.callResult;
}
