import { describe, expect, it } from 'vitest';
import { equalUris } from '#sip/uri-equality.ts';

function both(first: string, second: string): boolean {
  const result = equalUris(first, second);
  expect(equalUris(second, first), 'the other way round').toBe(result);
  return result;
}

describe('RFC 3261 19.1.4: URIs that are equal', () => {
  it.each([
    // The examples of the RFC.
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    ['sip:carol@chicago.com;newparam=5', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    // Others.
    ['SIP:bob@biloxi.com', 'sip:bob@BILOXI.com'],
    ['sip:bob@biloxi.com;lr', 'sip:bob@biloxi.com;LR'],
    ['sip:a%3bb@h', 'sip:a%3Bb@h'],
    ['sip:a@h?s=x', 'sip:a@h?Subject=x'],
    ['sip:a@[2001:DB8::1]', 'sip:a@[2001:db8:0:0:0:0:0:1]'],
    ['sips:a@h;lr=on', 'sips:a@h;lr=%6Fn'],
    ['tel:+1-201-555-0123', 'tel:+1(201)5550123'],
    ['tel:7042;phone-context=Example.com', 'tel:70-42;phone-context=example.com'],
  ])('%s = %s', (first, second) => expect(both(first, second)).toBe(true));
});

describe('RFC 3261 19.1.4: URIs that differ', () => {
  it.each([
    // The examples of the RFC.
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    // Others.
    ['sip:bob@biloxi.com', 'sips:bob@biloxi.com'],
    ['sip:biloxi.com', 'sip:bob@biloxi.com'],
    ['sip:a:b@h', 'sip:a:B@h'],
    ['sip:a%40b@h', 'sip:a%41b@h'],
    ['sip:a%3Bb@h', 'sip:a;b@h'],
    ['sip:a%2540@h', 'sip:a%40@h'],
    ['sip:a@h', 'sip:a@h;maddr=h'],
    ['sip:a@h;ttl=1', 'sip:a@h'],
    ['sip:a@h;user=phone', 'sip:a@h;user=ip'],
    ['sip:a@h?x=1', 'sip:a@h?x=2'],
    ['sip:a@h?x=1', 'sip:a@h?x=1&x=1'],
    ['sip:a@[::1]', 'sip:a@[::2]'],
    ['tel:+12015550123', 'tel:12015550123'],
    ['tel:7042;phone-context=a.com', 'tel:7042;phone-context=b.com'],
    ['tel:7042;phone-context=a.com', 'tel:7042'],
    ['http://a', 'http://A'],
  ])('%s ≠ %s', (first, second) => expect(both(first, second)).toBe(false));
});

it('takes its time by the length, not by its square', () => {
  const many = `sip:a@h${Array.from({ length: 8000 }, (_, index) => `;p${index}=v`).join('')}`;
  const began = performance.now();
  expect(equalUris(many, `${many};q`)).toBe(true);
  expect(performance.now() - began).toBeLessThan(500);
});
