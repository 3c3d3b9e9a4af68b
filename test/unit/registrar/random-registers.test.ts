/** Any REGISTER: answered once, taken whole or not at all, and never a surprise to the table. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegistrarBench } from '../../support/registrar-bench.ts';

const piece = fc.constantFrom(
  '<sip:bob@192.0.2.1>',
  '<sip:bob@192.0.2.2:5070;transport=tcp>',
  'sip:bob@192.0.2.3',
  '"Bob, \\"B\\"" <sips:bob@[2001:db8::1]:5061>',
  '<mailto:bob@example.org>',
  '*',
  '<sip:bob@192.0.2.1;x="',
  '<sip:@>',
  '<>',
  '"',
  '\\',
  ',',
  '%41%zz',
  '\xff\xfe',
);

const parameter = fc.constantFrom(
  ';expires=0',
  ';expires=60',
  ';expires=7',
  ';expires=',
  ';expires=99999999999999999999',
  ';expires="600"',
  ';q=0.5',
  ';q=1.0000',
  ';q',
  ';+sip.instance="<urn:uuid:1>"',
  ';+sip.instance="<urn:uuid:1>";reg-id=1',
  ';reg-id=4294967296',
  ';received="sip:198.51.100.1:5060"',
  ';received="\\""',
  ';methods="INVITE,,BYE"',
  ';=',
  ';;;',
);

const contact = fc
  .tuple(piece, fc.array(parameter, { maxLength: 3 }))
  .map(([uri, parameters]) => `Contact: ${uri}${parameters.join('')}`);

const header = fc.oneof(
  { weight: 4, arbitrary: contact },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'Expires: 0',
      'Expires: 3600',
      'Expires: never',
      'Supported: path, outbound',
      'Require: outbound',
      'Require: wings',
      'Path: <sip:192.0.2.50;lr>',
      'Path: <sip:192.0.2.50;lr;ob>, <sip:[broken;lr>',
      'Path: ,,,',
      'Allow: INVITE, ACK',
      'User-Agent: ',
      'm: <sip:bob@192.0.2.4>, <sip:bob@192.0.2.5>',
    ),
  },
);

const registration = fc.record({
  headers: fc.array(header, { maxLength: 5 }),
  callId: fc.constantFrom('a', 'b'),
  cseq: fc.integer({ min: 1, max: 6 }),
  to: fc.constantFrom(
    '<sip:bob@example.org>',
    '<sip:%62ob@EXAMPLE.ORG;x=y>',
    '<sip:eve@example.org>',
    '<tel:+1>',
  ),
  wait: fc.constantFrom(0, 0, 1000, 61_000),
});

const flags = ['', 'c2', 'c2f', 'p2v', 'matching-mode=1', 'o'];

describe('any sequence of REGISTERs', () => {
  it.each(flags)('with the flags "%s" is answered, each whole or not at all', (flag) => {
    fc.assert(
      fc.property(fc.array(registration, { minLength: 1, maxLength: 12 }), (registrations) => {
        const bench = new RegistrarBench(`save("location", "${flag}");`);
        const known = (): string => bound(bench).join(' and ');
        for (const { headers, callId, cseq, to, wait } of registrations) {
          bench.harness.advance(wait);
          const before = known();
          const answer = bench.register(headers, { callId, cseq, to });
          expect([200, 400, 404, 420, 423, 439, 500, 503]).toContain(answer.status);
          if (answer.status !== 200) expect(known()).toBe(before);
          for (const value of answer.contacts)
            expect(value).toMatch(/^<[^<>\s"]+>(;q=[01](\.\d{1,3})?)?;expires=\d+/);
        }
        expect(bench.harness.statistic('core:broken_invariants')).toBe(0);
        if (flag.startsWith('c2'))
          for (const contacts of bound(bench)) expect(contacts.length).toBeLessThan(3);
        // When everything is over, nothing is left, removals included.
        bench.harness.advance(3_700_000 + 120_000);
        const left = bench.harness.node.statistics.read(['location-contacts', 'removals_remembered']);
        expect(Object.values(left)).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});

/** What a fetch tells of both addresses (RFC 3261 10.2.3). */
function bound(bench: RegistrarBench): string[][] {
  return ['bob', 'eve'].map(
    (user) => bench.register([], { callId: 'fetch', to: `<sip:${user}@example.org>` }).contacts,
  );
}
