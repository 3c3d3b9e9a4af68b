/** RFC 3665 3: the session flows of its figures that go through proxies, two of ours in a row, message by message. */

import { describe, expect, it } from 'vitest';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import { addresses, TwoProxies } from '../support/two-proxies.ts';

function parsed(text: string): SipMessage {
  const message = parseMessage(text);
  if (isFailure(message)) throw new Error(message.message);
  return message;
}

/** Alice calls; Bob has the INVITE. */
function called(net = new TwoProxies()): { net: TwoProxies; sent: SipMessage; atBob: SipMessage } {
  const text = net.invite();
  net.send('Alice', text, 'P1');
  return { net, sent: parsed(text), atBob: net.take('Bob', 'INVITE') };
}

const calling = [
  'Alice -> P1 INVITE',
  'P1 -> Alice 100 INVITE',
  'P1 -> P2 INVITE',
  'P2 -> P1 100 INVITE',
  'P2 -> Bob INVITE',
];
const upwards = (what: string): string[] => [`Bob -> P2 ${what}`, `P2 -> P1 ${what}`, `P1 -> Alice ${what}`];
const downwards = (what: string): string[] => [
  `Alice -> P1 ${what}`,
  `P1 -> P2 ${what}`,
  `P2 -> Bob ${what}`,
];

/** Up and acknowledged. */
function established(): { net: TwoProxies; ok: SipMessage } {
  const { net, atBob } = called();
  net.reply('Bob', atBob, 180);
  net.reply('Bob', atBob, 200);
  const ok = net.take('Alice', '200 INVITE');
  net.send('Alice', net.inDialog('Alice', 'ACK', ok, 1), 'P1');
  return { net, ok };
}

function nothingIsLeft(net: TwoProxies): void {
  net.advance(70_000);
  net.takeLadder();
  for (const node of Object.values(net.nodes)) {
    const { serverCount, clientCount } = node.node.table;
    expect([serverCount, clientCount]).toEqual([0, 0]);
  }
}

describe('RFC 3665 3.2 session establishment through two proxies', () => {
  it('INVITE, 100, 180, 200, ACK, BYE, 200', () => {
    const { net, atBob } = called();
    expect(net.takeLadder().toSorted()).toEqual(calling.toSorted());
    net.reply('Bob', atBob, 180);
    expect(net.takeLadder()).toEqual(upwards('180 INVITE'));
    net.reply('Bob', atBob, 200);
    expect(net.takeLadder()).toEqual(upwards('200 INVITE'));
    const ok = net.take('Alice', '200 INVITE');
    net.send('Alice', net.inDialog('Alice', 'ACK', ok, 1), 'P1');
    expect(net.takeLadder()).toEqual(downwards('ACK'));
    net.send('Bob', net.inDialog('Bob', 'BYE', ok, 2), 'P2');
    expect(net.takeLadder()).toEqual(upwards('BYE'));
    net.reply('Alice', net.take('Alice', 'BYE'), 200);
    expect(net.takeLadder()).toEqual(downwards('200 BYE'));
    nothingIsLeft(net);
  });

  it('lost messages: every copy is answered or absorbed by the next hop alone', () => {
    const { net, sent, atBob } = called();
    net.takeLadder();
    net.send('Alice', sent.text, 'P1');
    expect(net.takeLadder()).toEqual(['Alice -> P1 INVITE', 'P1 -> Alice 100 INVITE']);
    net.reply('Bob', atBob, 200);
    net.takeLadder();
    // The ACK was lost: Bob repeats his 200, which goes all the way.
    net.reply('Bob', atBob, 200);
    expect(net.takeLadder()).toEqual(upwards('200 INVITE'));
  });
});

describe('RFC 3665 3.4 session establishment with a proxy that fails', () => {
  it('the primary does not answer: the secondary gets the call', () => {
    const primary = '10.0.0.77:5060';
    const net = new TwoProxies({
      next: primary,
      parameters: 'modparam("tm", "fr_timeout", 3)',
      failure: `if (t_check_status("408")) { $du = "sip:${addresses.P2}"; t_relay(); }`,
    });
    net.send('Alice', net.invite(), 'P1');
    net.advance(2900);
    const asked = net.takeLadder().filter((line) => line === `P1 -> ${primary} INVITE`);
    expect(asked).toHaveLength(3);
    net.advance(100);
    expect(net.takeLadder().toSorted()).toEqual(
      ['P1 -> P2 INVITE', 'P2 -> P1 100 INVITE', 'P2 -> Bob INVITE'].toSorted(),
    );
    net.reply('Bob', net.take('Bob', 'INVITE'), 200);
    expect(net.takeLadder()).toEqual(upwards('200 INVITE'));
    nothingIsLeft(net);
  });
});

describe('RFC 3665 3.7 session with re-INVITE', () => {
  it('goes by the recorded route, in both directions', () => {
    const { net, ok } = established();
    net.takeLadder();
    net.send('Bob', net.inDialog('Bob', 'INVITE', ok, 14), 'P2');
    const lines = net.takeLadder().filter((line) => !line.includes(' 100 '));
    expect(lines).toEqual(upwards('INVITE'));
    net.reply('Alice', net.take('Alice', 'INVITE'), 200);
    expect(net.takeLadder()).toEqual(downwards('200 INVITE'));
    net.send('Bob', net.inDialog('Bob', 'ACK', ok, 14), 'P2');
    expect(net.takeLadder()).toEqual(upwards('ACK'));
    net.send('Alice', net.inDialog('Alice', 'BYE', ok, 2), 'P1');
    expect(net.takeLadder()).toEqual(downwards('BYE'));
  });
});

describe('RFC 3665 3.8 unsuccessful: no answer', () => {
  it('CANCEL goes hop by hop, each answers it itself, and 487 comes back and is acknowledged hop by hop', () => {
    const { net, sent, atBob } = called();
    net.reply('Bob', atBob, 180);
    net.takeLadder();
    net.cancel(sent);
    expect(net.takeLadder()).toEqual([
      'Alice -> P1 CANCEL',
      'P1 -> Alice 200 CANCEL',
      'P1 -> P2 CANCEL',
      'P2 -> P1 200 CANCEL',
      'P2 -> Bob CANCEL',
    ]);
    net.reply('Bob', net.take('Bob', 'CANCEL'), 200);
    expect(net.takeLadder()).toEqual(['Bob -> P2 200 CANCEL']);
    net.reply('Bob', atBob, 487);
    expect(net.takeLadder()).toEqual([
      'Bob -> P2 487 INVITE',
      'P2 -> Bob ACK',
      'P2 -> P1 487 INVITE',
      'P1 -> P2 ACK',
      'P1 -> Alice 487 INVITE',
    ]);
    net.ack(sent, net.take('Alice', '487 INVITE'));
    expect(net.takeLadder()).toEqual(['Alice -> P1 ACK']);
    nothingIsLeft(net);
  });
});

describe.each([
  ['RFC 3665 3.9 unsuccessful: busy', 486],
  ['RFC 3665 3.11 unsuccessful: temporarily unavailable', 480],
])('%s', (_name, status) => {
  it('the failure comes back, acknowledged by each hop, repeated until then', () => {
    const { net, sent, atBob } = called();
    net.takeLadder();
    net.reply('Bob', atBob, status);
    expect(net.takeLadder()).toEqual([
      `Bob -> P2 ${status} INVITE`,
      'P2 -> Bob ACK',
      `P2 -> P1 ${status} INVITE`,
      'P1 -> P2 ACK',
      `P1 -> Alice ${status} INVITE`,
    ]);
    net.advance(500);
    // Alice's ACK was lost: only her own hop repeats.
    expect(net.takeLadder()).toEqual([`P1 -> Alice ${status} INVITE`]);
    net.ack(sent, net.take('Alice', `${status} INVITE`));
    net.takeLadder();
    net.advance(10_000);
    expect(net.takeLadder()).toEqual([]);
    nothingIsLeft(net);
  });
});

describe('RFC 3665 3.10 unsuccessful: no response from the user agent', () => {
  it('the last proxy repeats the INVITE, then says 408', () => {
    const net = new TwoProxies();
    const { sent } = called(net);
    net.takeLadder();
    net.advance(30_000);
    const ladder = net.takeLadder();
    // 0.5, 1.5, 3.5, 7.5, 15.5 s; Timer B (fr_timeout) after 30.
    expect(ladder.filter((line) => line === 'P2 -> Bob INVITE')).toHaveLength(5);
    expect(ladder.filter((line) => line === 'P1 -> P2 INVITE')).toEqual([]);
    expect(ladder).toContain('P2 -> P1 408 INVITE');
    expect(ladder.at(-1)).toBe('P1 -> Alice 408 INVITE');
    net.ack(sent, net.take('Alice', '408 INVITE'));
    nothingIsLeft(net);
  });
});
