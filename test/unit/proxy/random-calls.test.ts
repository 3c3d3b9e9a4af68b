/**
 * A forked request under any sequence of answers, time, CANCEL and errors: one final response goes upstream (further
 * 2xx excepted), nothing provisional follows it, and in the end nothing is left. fast-check prints the seed of a failure.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SipMessage } from '#sip/message.ts';
import { nothing, ProxyBench } from '../../support/proxy-bench.ts';
import { callee, request } from '../../support/transaction-bench.ts';

const branch = fc.nat(2);
const event = fc.oneof(
  fc.record({
    kind: fc.constant('answer' as const),
    branch,
    value: fc.constantFrom(100, 180, 183, 200, 302, 401, 407, 408, 486, 487, 503, 603),
  }),
  fc.record({ kind: fc.constant('wait' as const), branch, value: fc.integer({ min: 0, max: 200_000 }) }),
  fc.record({
    kind: fc.constantFrom('fork' as const, 'cancel' as const, 'error' as const, 'ack' as const),
    branch,
    value: fc.constant(0),
  }),
);

function play(
  bench: ProxyBench,
  events: readonly (typeof event extends fc.Arbitrary<infer E> ? E : never)[],
) {
  const sent: SipMessage[] = [bench.fork()];
  let isCancelled = false;
  for (const { kind, branch: index, value } of events) {
    const target = sent[index % sent.length]!;
    if (kind === 'answer') bench.answer(target, value);
    else if (kind === 'wait') bench.advance(value);
    else if (kind === 'fork' && sent.length < 3 && canFork(bench)) sent.push(bench.fork());
    else if (kind === 'error')
      bench.table.onTransportError(bench.now, { ...callee, port: callee.port + index });
    else if (kind === 'ack') bench.acknowledge();
    else if (kind === 'cancel' && !isCancelled && bench.context.server.isInvite) {
      isCancelled = true;
      bench.cancel();
    }
  }
}

/** RFC 3261 16.7 step 5: a 6xx ends the search. */
function canFork({ context }: ProxyBench): boolean {
  return !context.isOver && context.branches.every((one) => one.status < 600);
}

describe.each(['INVITE', 'OPTIONS'])('%s', (method) => {
  it('has one outcome and leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const bench = new ProxyBench(request(method), {}, {});
        play(bench, events);
        bench.advance(1_000_000);
        expect(bench.remains()).toEqual(nothing);
        expect(bench.events.filter((name) => name === 'end')).toHaveLength(1);
        const upstream = bench.takeUpstream().filter((one) => one.message.cseqMethod === method);
        const statuses = upstream.map((one) => one.message.status);
        const firstFinal = statuses.findIndex((status) => status >= 200);
        const outcome = statuses[firstFinal];
        // RFC 4320 4.2: a request that is no INVITE may end without an answer.
        if (method === 'INVITE') expect(outcome).toBeDefined();
        const after = statuses.slice(Math.max(firstFinal, 0));
        if (outcome !== undefined && outcome < 300) expect(after.every((status) => status < 300)).toBe(true);
        if (outcome !== undefined && outcome >= 300 && firstFinal >= 0)
          expect(new Set(after).size, 'copies of one failure').toBe(1);
        if (firstFinal >= 0) expect(after.every((status) => status >= 200)).toBe(true);
        // RFC 4320 4.1: 100 to a request that is no INVITE, once, when its caller repeats it slowly.
        const trying = statuses.filter((status) => status === 100).length;
        expect(trying).toBeLessThanOrEqual(method === 'INVITE' ? 0 : 1);
        expect(statuses).not.toContain(503);
      }),
      { numRuns: 300 },
    );
  });
});
