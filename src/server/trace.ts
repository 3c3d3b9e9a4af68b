/**
 * What happens to each message, told to whoever watches: the ladder of the first run, `anyvia mi anyvia:trace`. It
 * costs nothing while nobody does.
 */

import type { Arrival } from '#server/receive.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import type { Clock } from '#util/clock.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';

export interface TraceRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Node that says so. */
  readonly node: number;
  /** `received`: from the network. `relayed`: to the owning peer. `handled`: by the owner. `sent`: to the network. */
  readonly event: 'received' | 'relayed' | 'handled' | 'sent';
  /** For `relayed`: the owner. For `handled`: the node that received it from the network. */
  readonly peer: number;
  /** `INVITE` or `200 INVITE`. */
  readonly message: string;
  readonly callId: string;
  readonly address: string;
  readonly port: number;
}

export type TraceWatcher = (record: TraceRecord) => void;

/** More watchers than this are a mistake; each costs CPU on every message. */
export const traceWatchersMax = 16;

export class Trace {
  readonly #node: number;
  readonly #clock: Clock;
  readonly #watchers = new Set<TraceWatcher>();

  constructor(node: number, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
  }

  /** False when there are too many watchers already. */
  watch(watcher: TraceWatcher): boolean {
    if (this.#watchers.size >= traceWatchersMax) return false;
    this.#watchers.add(watcher);
    return true;
  }

  unwatch(watcher: TraceWatcher): void {
    this.#watchers.delete(watcher);
  }

  received(message: SipMessage, arrival: Arrival): void {
    if (this.#watchers.size === 0) return;
    const event = arrival.receivedBy === 0 ? 'received' : 'handled';
    this.#tell(event, message, arrival.source, arrival.receivedBy);
  }

  relayed(message: SipMessage, arrival: Arrival, owner: number): void {
    if (this.#watchers.size === 0) return;
    this.#tell('relayed', message, arrival.source, owner);
  }

  sent(bytes: Uint8Array, flow: Flow): void {
    if (this.#watchers.size === 0) return;
    const message = parseMessage(Buffer.from(bytes).toString('latin1'));
    if (!isFailure(message)) this.#tell('sent', message, flow, 0);
  }

  #tell(event: TraceRecord['event'], message: SipMessage, flow: Flow, peer: number): void {
    const record: TraceRecord = {
      time: this.#clock.wall(),
      node: this.#node,
      event,
      peer,
      message: message.isRequest ? message.method : `${message.status} ${message.method}`,
      callId: message.callId,
      address: flow.address,
      port: flow.port,
    };
    for (const watcher of this.#watchers) watcher(record);
  }
}
