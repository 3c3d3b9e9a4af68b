/** Who listens on which channel of shared state. What the bodies mean is the subscribers' business. */

import { assert } from '#util/assert.ts';
import { type ByteReader, bytes, type Codec, u16 } from '#util/codec.ts';

export interface ChannelSubscriber {
  /** `body` is a view of the link's buffer: copy what outlives the call. */
  onMessage(from: number, body: Uint8Array, now: number): void;
  /** The node is reached, with nothing under way that was sent before: time to compare states. */
  onPeerUp(node: number, incarnation: number, now: number): void;
  onPeerDown(node: number, now: number): void;
}

export interface ChannelMessage {
  readonly channel: number;
  readonly body: Uint8Array;
}

export const channelCodec: Codec<ChannelMessage> = {
  size: (value) => 2 + bytes.size(value.body),
  write: (value, target, offset) => bytes.write(value.body, target, u16.write(value.channel, target, offset)),
  read: (reader: ByteReader) => ({ channel: u16.read(reader), body: bytes.read(reader) }),
};

export class Channels {
  readonly #subscribers = new Map<number, ChannelSubscriber>();
  readonly #comparing: ChannelSubscriber[] = [];

  /** `compares`: `onPeerUp` comes again when a direct link takes over from a relay, which may have lost something. */
  subscribe(channel: number, subscriber: ChannelSubscriber, compares = false): void {
    assert(!this.#subscribers.has(channel), `channel ${channel} has two subscribers`);
    this.#subscribers.set(channel, subscriber);
    if (compares) this.#comparing.push(subscriber);
  }

  /** False when nobody here listens on it: another version of the program is on the other side. */
  deliver(from: number, message: ChannelMessage, now: number): boolean {
    const subscriber = this.#subscribers.get(message.channel);
    subscriber?.onMessage(from, message.body, now);
    return subscriber !== undefined;
  }

  peerUp(node: number, incarnation: number, now: number): void {
    for (const subscriber of this.#subscribers.values()) subscriber.onPeerUp(node, incarnation, now);
  }

  /** It was never lost, but what was sent to it through a relay may be. */
  peerResumed(node: number, incarnation: number, now: number): void {
    for (const subscriber of this.#comparing) subscriber.onPeerUp(node, incarnation, now);
  }

  peerDown(node: number, now: number): void {
    for (const subscriber of this.#subscribers.values()) subscriber.onPeerDown(node, now);
  }
}
