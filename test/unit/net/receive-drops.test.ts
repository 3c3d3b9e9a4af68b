/** Drops of the kernel, found by the address of a socket as `/proc/net/udp` writes it. */

import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { countReceiveDrops, tableAddress } from '#net/receive-drops.ts';

describe('the address in the table of the kernel', () => {
  it('is written word by word, little-endian on the machines that there are binaries for', () => {
    expect(tableAddress('127.0.0.1', 5060)).toBe('0100007F:13C4');
    expect(tableAddress('::1', 9)).toBe('00000000000000000000000001000000:0009');
    expect(tableAddress('2001:db8::5', 65_535)).toBe('B80D0120000000000000000005000000:FFFF');
  });
});

describe('drops', () => {
  it('are those of a socket that nobody reads, and only of that', async () => {
    const [full, other] = [createSocket({ type: 'udp4', recvBufferSize: 2048 }), createSocket('udp4')];
    for (const socket of [full, other])
      await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const places = [full, other].map((socket) => ({ address: '127.0.0.1', port: socket.address().port }));
    expect(countReceiveDrops(places)).toBe(0);
    const payload = Buffer.alloc(1000);
    // As much as no turn of the event loop reads in between: the sends of one turn leave at once.
    for (let index = 0; index < 500; index++) other.send(payload, places[0]!.port, '127.0.0.1');
    await sleep(100);
    expect(countReceiveDrops([places[0]!])).toBeGreaterThan(0);
    expect(countReceiveDrops([places[1]!])).toBe(0);
    expect(countReceiveDrops([])).toBe(0);
    full.close();
    other.close();
  });
});
