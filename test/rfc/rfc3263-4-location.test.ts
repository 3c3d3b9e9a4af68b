/** RFC 3263 4.1 and 4.2: which transport, address and port a URI's host stands for. */

import { describe, expect, it } from 'vitest';
import type { NaptrRecord, SrvRecord } from '#sip/name-port.ts';
import { type LocationMeans, locateServers, placesMax, type ServerName } from '#sip/server-location.ts';
import { isFailure } from '#util/failure.ts';
import { NameTable } from '../support/name-table.ts';

const naptr = (order: number, preference: number, service: string, replacement: string): NaptrRecord => ({
  order,
  preference,
  flags: 's',
  service,
  replacement,
});

const srv = (priority: number, weight: number, port: number, name: string): SrvRecord => ({
  priority,
  weight,
  port,
  name,
});

/** `transport:address:port` of each place, or the code of the failure. */
function locate(names: NameTable, server: Partial<ServerName>, means: Partial<LocationMeans> = {}): unknown {
  let result: unknown = 'nothing yet';
  const full: LocationMeans = {
    names,
    transports: ['udp', 'tcp'],
    families: ['A'],
    usesNaptr: true,
    random: () => 0,
    ...means,
  };
  locateServers({ host: 'example.com', port: 0, transport: null, ...server }, full, (places) => {
    result = isFailure(places)
      ? places.code
      : places.map(({ transport, address, port }) => `${transport}:${address}:${port}`);
  });
  return result;
}

const addresses = {
  'a.example.com': ['192.0.2.1'],
  'b.example.com': ['192.0.2.2'],
  'example.com': ['192.0.2.9'],
};

describe('RFC 3263 4.1 selecting a transport', () => {
  it('takes the one that the URI names, and asks for no NAPTR', () => {
    const names = new NameTable({
      A: addresses,
      SRV: { '_sip._tcp.example.com': [srv(1, 1, 5070, 'a.example.com')] },
    });
    expect(locate(names, { transport: 'tcp' })).toEqual(['tcp:192.0.2.1:5070']);
    expect(names.asked).toEqual(['SRV _sip._tcp.example.com', 'A a.example.com']);
  });

  it('takes UDP where there is a port', () => {
    const names = new NameTable({ A: addresses });
    expect(locate(names, { port: 5080 })).toEqual(['udp:192.0.2.9:5080']);
    expect(names.asked).toEqual(['A example.com']);
  });

  it('leaves out NAPTR records of transports that it cannot send with, and takes the lowest order', () => {
    const names = new NameTable({
      A: addresses,
      NAPTR: {
        'example.com': [
          naptr(90, 50, 'SIP+D2U', '_sip._udp.example.com'),
          naptr(50, 50, 'SIPS+D2T', '_sips._tcp.example.com'),
          naptr(60, 20, 'SIP+D2T', '_sip._tcp.example.com'),
        ],
      },
      SRV: {
        '_sip._tcp.example.com': [srv(1, 1, 5070, 'a.example.com')],
        '_sip._udp.example.com': [srv(1, 1, 5071, 'b.example.com')],
      },
    });
    expect(locate(names, {})).toEqual(['tcp:192.0.2.1:5070']);
    expect(locate(names, {}, { transports: ['udp'] })).toEqual(['udp:192.0.2.2:5071']);
  });

  it('takes the lower preference first among NAPTR records of one order', () => {
    const names = new NameTable({
      A: addresses,
      NAPTR: {
        'example.com': [naptr(1, 20, 'sip+d2u', '_u.example.com'), naptr(1, 10, 'SIP+D2T', '_t.example.com')],
      },
      SRV: {
        '_t.example.com': [srv(1, 1, 5070, 'a.example.com')],
        '_u.example.com': [srv(1, 1, 5071, 'b.example.com')],
      },
    });
    expect(locate(names, {})).toEqual(['tcp:192.0.2.1:5070', 'udp:192.0.2.2:5071']);
  });

  it('asks for the SRV records of each transport when there is no NAPTR record', () => {
    const names = new NameTable({
      A: addresses,
      SRV: { '_sip._tcp.example.com': [srv(1, 1, 5070, 'a.example.com')] },
    });
    expect(locate(names, {})).toEqual(['tcp:192.0.2.1:5070']);
    expect(names.asked).toEqual([
      'NAPTR example.com',
      'SRV _sip._udp.example.com',
      'SRV _sip._tcp.example.com',
      'A a.example.com',
    ]);
    expect(locate(new NameTable({ A: addresses }), {}, { usesNaptr: false })).toEqual(['udp:192.0.2.9:5060']);
  });

  it('takes UDP when there are no SRV records either', () => {
    expect(locate(new NameTable({ A: addresses }), {})).toEqual(['udp:192.0.2.9:5060']);
  });

  it('goes on when a server knows no NAPTR questions, and ends when no server answers', () => {
    const refused = new NameTable({ A: addresses, NAPTR: { 'example.com': 'refused' } });
    expect(locate(refused, {})).toEqual(['udp:192.0.2.9:5060']);
    const silent = new NameTable({ A: addresses, NAPTR: { 'example.com': 'silent' } });
    expect(locate(silent, {})).toBe('NET_NAME_UNANSWERED');
    expect(silent.asked).toHaveLength(1);
  });
});

describe('RFC 3263 4.2 determining port and address', () => {
  it('asks for addresses alone where there is a port, whatever the transport', () => {
    const names = new NameTable({
      A: addresses,
      SRV: { '_sip._tcp.example.com': [srv(1, 1, 5070, 'a.example.com')] },
    });
    expect(locate(names, { port: 5080, transport: 'tcp' })).toEqual(['tcp:192.0.2.9:5080']);
    expect(names.asked).toEqual(['A example.com']);
  });

  it('takes the default port when the service has no SRV record', () => {
    expect(locate(new NameTable({ A: addresses }), { transport: 'tcp' })).toEqual(['tcp:192.0.2.9:5060']);
  });

  it('tries every address of every server, IPv4 and IPv6', () => {
    const names = new NameTable({
      A: { 'a.example.com': ['192.0.2.1', '192.0.2.3'], 'b.example.com': ['192.0.2.2'] },
      AAAA: { 'a.example.com': ['2001:db8::1'] },
      SRV: { '_sip._udp.example.com': [srv(2, 1, 5062, 'b.example.com'), srv(1, 1, 5061, 'a.example.com')] },
    });
    expect(locate(names, { transport: 'udp' }, { families: ['A', 'AAAA'] })).toEqual([
      'udp:192.0.2.1:5061',
      'udp:192.0.2.3:5061',
      'udp:2001:db8::1:5061',
      'udp:192.0.2.2:5062',
    ]);
  });

  it('leaves out servers whose names lead nowhere', () => {
    const names = new NameTable({
      A: addresses,
      SRV: {
        '_sip._udp.example.com': [srv(1, 1, 5061, 'gone.example.com'), srv(2, 1, 5062, 'b.example.com')],
      },
    });
    expect(locate(names, { transport: 'udp' })).toEqual(['udp:192.0.2.2:5062']);
  });

  it('fails when nothing resolves', () => {
    expect(locate(new NameTable({}), {})).toBe('SIP_NAME_UNRESOLVED');
  });

  it('tries a bounded number of places', () => {
    const many = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`);
    expect(locate(new NameTable({ A: { 'example.com': many } }), {})).toHaveLength(placesMax);
  });
});

describe('RFC 2782 a target of "."', () => {
  it('says that the service is not there: the addresses of the name are not tried', () => {
    const names = new NameTable({ A: addresses, SRV: { '_sip._udp.example.com': [srv(0, 0, 0, '')] } });
    expect(locate(names, { transport: 'udp' })).toBe('SIP_SERVICE_ABSENT');
  });
});

describe('RFC 3263 5 sending responses', () => {
  it('asks for the service of the transport of the Via, and for the address alone where it has a port', () => {
    const names = new NameTable({
      A: addresses,
      SRV: { '_sip._udp.example.com': [srv(1, 1, 5070, 'a.example.com')] },
    });
    expect(locate(names, { transport: 'udp' })).toEqual(['udp:192.0.2.1:5070']);
    expect(locate(names, { transport: 'udp', port: 5060 })).toEqual(['udp:192.0.2.9:5060']);
  });
});
