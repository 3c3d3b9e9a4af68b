import { describe, expect, it } from 'vitest';
import { requestUriProblem } from '#sip/request-uri.ts';
import { formatUri, parseUri, SipUri, unescapeUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

function read(text: string): SipUri {
  const uri = parseUri(text);
  if (isFailure(uri)) throw new Error(uri.message);
  return uri;
}

describe('parseUri', () => {
  it.each([
    // RFC 3261 19.1.3
    ['sip:alice@atlanta.com', 'sip', 'alice', '', 'atlanta.com', 0, '', ''],
    [
      'sip:alice:secretword@atlanta.com;transport=tcp',
      'sip',
      'alice',
      'secretword',
      'atlanta.com',
      0,
      ';transport=tcp',
      '',
    ],
    [
      'sips:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sips',
      'alice',
      '',
      'atlanta.com',
      0,
      '',
      'subject=project%20x&priority=urgent',
    ],
    [
      'sip:+1-212-555-1212:1234@gateway.com;user=phone',
      'sip',
      '+1-212-555-1212',
      '1234',
      'gateway.com',
      0,
      ';user=phone',
      '',
    ],
    ['sips:1212@gateway.com', 'sips', '1212', '', 'gateway.com', 0, '', ''],
    ['sip:alice@192.0.2.4', 'sip', 'alice', '', '192.0.2.4', 0, '', ''],
    [
      'sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com',
      'sip',
      '',
      '',
      'atlanta.com',
      0,
      ';method=REGISTER',
      'to=alice%40atlanta.com',
    ],
    ['sip:alice;day=tuesday@atlanta.com', 'sip', 'alice;day=tuesday', '', 'atlanta.com', 0, '', ''],
    // Others.
    ['SIP:a@b:5061', 'sip', 'a', '', 'b', 5061, '', ''],
    ['sip:a?b;c@h', 'sip', 'a?b;c', '', 'h', 0, '', ''],
    ['sip:[2001:db8::1]:5070;lr', 'sip', '', '', '2001:db8::1', 5070, ';lr', ''],
    ['sip:a:@h', 'sip', 'a', '', 'h', 0, '', ''],
    ['sip:\xc3\xa4@h', 'sip', '\xc3\xa4', '', 'h', 0, '', ''],
    ['tel:+1-201-555-0123;phone-context=a', 'tel', '+1-201-555-0123', '', '', 0, ';phone-context=a', ''],
    ['tel:*31#', 'tel', '*31#', '', '', 0, '', ''],
  ])('%s', (text, scheme, user, password, host, port, parameters, headers) => {
    expect(read(text)).toEqual(new SipUri({ text, scheme, user, password, host, port, parameters, headers }));
  });

  it.each([
    '',
    'sip',
    'sip:',
    'sip:@h',
    'sip::pw@h',
    'sip:a@',
    'sip:a@b@c',
    'sip:a b@h',
    'sip:a@h\r\n',
    'sip:a@h;x="y"',
    '<sip:a@h>',
    'sip:a\0@h',
    'sip:a@h:99999',
    'sip:a@[::1',
    'sip:2001:db8::10',
    'http://h',
    'tel:',
    'tel:abcxyz',
  ])('"%s" is none', (text) => {
    const failure = parseUri(text);
    expect(isFailure(failure) && failure.code).toBe('SIP_URI_INVALID');
  });

  it('reads parameters', () => {
    const uri = read('sip:a@h;Transport=tcp;lr;maddr=[::1]');
    expect(['transport', 'LR', 'maddr', 'ttl'].map((name) => uri.parameter(name))).toEqual([
      'tcp',
      '',
      '[::1]',
      null,
    ]);
  });
});

describe('formatUri', () => {
  it.each([
    'sip:alice:secretword@atlanta.com:5070;transport=tcp?subject=x',
    'sips:[2001:db8::1]:5061;lr',
    'sip:atlanta.com',
    'tel:+1-201;phone-context=a',
  ])('%s is written as it was read', (text) => expect(formatUri(read(text))).toBe(text));

  it('leaves out what is taken away', () => {
    const uri = read('sip:alice:pw@atlanta.com:5070;lr?a=b');
    expect(uri.with({ user: '', password: '', port: 0, parameters: '', headers: '' })).toBe(
      'sip:atlanta.com',
    );
    expect(uri.with({ host: '::1' })).toBe('sip:alice:pw@[::1]:5070;lr?a=b');
  });
});

it.each([
  ['%61b%63', 'abc'],
  ['100%', '100%'],
  ['%zz%4', '%zz%4'],
  ['%00', '\0'],
])('unescapeUri %s', (text, expected) => expect(unescapeUri(text)).toBe(expected));

describe('requestUriProblem', () => {
  it.each(['sip:h', 'sips:a@h:5061;x', 'tel:+1', 'urn:service:sos', 'soap.beep://h', 'x-1+a:b'])(
    '%s has none',
    (uri) => expect(requestUriProblem(uri)).toBe(''),
  );
  it.each([
    ['', 'Invalid Request-URI'],
    [':x', 'Invalid Request-URI'],
    ['1a:x', 'Invalid Request-URI'],
    ['<sip:a@h>', 'Invalid Request-URI'],
    ['sip:a@h:port', 'Invalid Request-URI'],
    ['SIPS:a@@h', 'Invalid Request-URI'],
    ['sip:a@h?x=y', 'Headers in the Request-URI'],
  ])('"%s": %s', (uri, problem) => expect(requestUriProblem(uri)).toBe(problem));
});
