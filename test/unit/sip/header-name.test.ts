import { describe, expect, it } from 'vitest';
import { canonicalName, headerAt, headerNames, headerOf } from '#sip/header-name.ts';

describe('header names', () => {
  it.each([
    ['Via', headerNames.via],
    ['VIA', headerNames.via],
    ['vIa', headerNames.via],
    ['v', headerNames.via],
    ['V', headerNames.via],
    ['Call-ID', headerNames.callId],
    ['Call-Id', headerNames.callId],
    ['CALL-ID', headerNames.callId],
    ['i', headerNames.callId],
    ['CSeq', headerNames.cseq],
    ['Cseq', headerNames.cseq],
    ['cseq', headerNames.cseq],
    ['L', headerNames.contentLength],
    ['www-authenticate', headerNames.wwwAuthenticate],
    ['Proxy-Authorization', headerNames.proxyAuthorization],
    ['o', headerNames.event],
    ['k', headerNames.supported],
    ['Viaa', headerNames.other],
    ['X-Via', headerNames.other],
    ['e', headerNames.other],
    ['', headerNames.other],
    ['constructor', headerNames.other],
    ['__proto__', headerNames.other],
    ['toString', headerNames.other],
    ['a'.repeat(500), headerNames.other],
  ])('"%s" is header %i', (name, header) => {
    expect(headerOf(name)).toBe(header);
    expect(headerAt(`xx${name}: value`, 2, 2 + name.length)).toBe(header);
  });

  it('every name that has a number is found in every spelling', () => {
    for (const [key, header] of Object.entries(headerNames)) {
      if (key === 'other') continue;
      const name =
        key === 'callId' ? 'call-id' : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      for (const spelling of [name, name.toUpperCase(), name[0]!.toUpperCase() + name.slice(1)]) {
        expect(headerAt(`${spelling}:`, 0, spelling.length), spelling).toBe(header);
      }
    }
  });

  it.each([
    ['S', 'subject'],
    ['x', 'session-expires'],
    ['Refer-To', 'refer-to'],
    ['r', 'refer-to'],
    ['constructor', 'constructor'],
  ])('canonicalName: %s is %s', (name, expected) => expect(canonicalName(name)).toBe(expected));
});

it('every number fits into the bits by which repeated headers are found', () => {
  expect(Math.max(...Object.values(headerNames))).toBeLessThan(31);
});
