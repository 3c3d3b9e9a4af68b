/** Frames that a peer of another version, or a broken one, may send. */

import { describe, expect, it } from 'vitest';
import type { Connection, IncomingFrame } from '#cluster/connection.ts';
import { FrameHeader, headerBytes } from '#cluster/frame.ts';
import { Inbox, type InboxUser } from '#cluster/inbox.ts';
import { Outbox } from '#cluster/outbox.ts';
import type { Peer } from '#cluster/peer.ts';
import { PeerTable } from '#cluster/peer-table.ts';
import { exampleFrames } from '#cluster/wire-format.ts';
import { ByteReader } from '#util/codec.ts';

interface Bench {
  readonly peer: Peer;
  readonly far: Peer;
  readonly heard: string[];
  receive(bytes: Buffer): void;
}

const quiet = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

/** Node 2, with a link to node 1, which reaches node 3. */
function bench(): Bench {
  const peers = new PeerTable(quiet, {
    onReached: () => undefined,
    onUnreached: () => undefined,
    onResumed: () => undefined,
  });
  const member = {
    clusterId: 1,
    address: 'h',
    port: 1,
    enabled: true,
    priority: 1,
    description: '',
    pingRetries: 3,
    secure: false,
  };
  const [peer, far] = [1, 3].map((nodeId) => peers.add({ ...member, nodeId, sipAddress: '' }, 0)) as [
    Peer,
    Peer,
  ];
  const connection = { state: 'up', hello: { incarnation: 7 }, remote: 'h:1' } as unknown as Connection;
  peer.connection = connection;
  peers.update(0);
  const outbox = new Outbox(2, peers, () => undefined, {
    onTurnEnd: () => undefined,
    onLinkFlush: () => undefined,
  });
  const heard: string[] = [];
  const user = new Proxy({}, { get: (_target, name) => () => void heard.push(String(name)) }) as InboxUser;
  const inbox = new Inbox(2, peers, outbox, user);
  const receive = (bytes: Buffer): void => {
    const header = new FrameHeader();
    header.read(bytes, 0);
    const body = new ByteReader().reset(bytes, headerBytes, bytes.length);
    const frame: IncomingFrame = { header, body, bytes, start: 0, end: bytes.length };
    inbox.receive(peer, connection, frame, 0);
  };
  return { peer, far, heard, receive };
}

const ask = (): Buffer => Buffer.from(exampleFrames().ask);

describe('a frame', () => {
  it('of a known type reaches its handler', () => {
    const { peer, heard, receive } = bench();
    receive(ask());
    expect(heard).toEqual(['onAsk']);
    expect(Object.values(peer.counters.drops).every((count) => count === 0)).toBe(true);
  });

  it('of an unknown type is skipped and counted', () => {
    const { peer, heard, receive } = bench();
    const frame = ask();
    frame.writeUInt16BE(999, 4);
    receive(frame);
    expect([heard, peer.counters.drops.unknownType]).toEqual([[], 1]);
  });

  it('that is cut short is dropped and counted', () => {
    const { peer, heard, receive } = bench();
    receive(ask().subarray(0, -1));
    expect([heard, peer.counters.drops.malformed]).toEqual([[], 1]);
  });

  it('with more than its fields is good only when its version is newer', () => {
    const { peer, heard, receive } = bench();
    const longer = Buffer.concat([ask(), Buffer.from('more')]);
    receive(longer);
    expect([heard, peer.counters.drops.malformed]).toEqual([[], 1]);
    longer[6] = 2;
    receive(longer);
    expect([heard, peer.counters.drops.malformed]).toEqual([['onAsk'], 1]);
  });

  it('of a source that is not reached, or unknown, is dropped', () => {
    const { peer, heard, receive } = bench();
    for (const source of [3, 77]) {
      const frame = ask();
      frame.writeUInt32BE(source, 8);
      receive(frame);
    }
    expect([heard, peer.counters.drops.notUp]).toEqual([[], 2]);
  });

  it('for a node without a link here, or relayed twice, is not passed on', () => {
    const { peer, heard, receive } = bench();
    for (const [source, destination] of [
      [1, 3],
      [1, 77],
      [3, 1],
    ] as const) {
      const frame = ask();
      frame.writeUInt32BE(source, 8);
      frame.writeUInt32BE(destination, 12);
      receive(frame);
    }
    expect([heard, peer.counters.drops.relayRefused]).toEqual([[], 3]);
  });
});
