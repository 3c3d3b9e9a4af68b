/**
 * A forked request under any sequence of answers, time, CANCEL and errors, and under a user that adds branches, replies
 * by itself and changes responses: one final response goes upstream (further 2xx excepted), nothing provisional
 * follows it, Max-Breadth is kept, a CANCEL goes where and when it may, and in the end nothing is left. fast-check
 * prints the seed of a failure.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';
import { nothing, ProxyBench } from '../../support/proxy-bench.ts';
import { callee, caller, request, type Sent } from '../../support/transaction-bench.ts';

const branch = fc.nat(4);
const event = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      branch,
      value: fc.constantFrom(100, 180, 183, 200, 302, 401, 407, 408, 486, 487, 503, 603),
    }),
    weight: 4,
  },
  fc.record({ kind: fc.constant('wait' as const), branch, value: fc.integer({ min: 0, max: 200_000 }) }),
  fc.record({
    kind: fc.constantFrom(
      'fork' as const,
      'announce' as const,
      'cancel' as const,
      'error' as const,
      'ack' as const,
      'expect' as const,
      'expectNoMore' as const,
      'cancelBranch' as const,
      'reply' as const,
      'withdraw' as const,
    ),
    branch,
    value: fc.constant(0),
  }),
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

const users = fc.record({
  /** What it does when all branches failed: adds one, waits, replies, or lets the best go. */
  failed: fc.array(fc.constantFrom('add' as const, 'wait' as const, 'reply' as const, 'forward' as const), {
    maxLength: 3,
  }),
  /** Drops provisional responses. */
  drops: fc.boolean(),
  /** Makes 480 of every 4xx. */
  changes: fc.boolean(),
  breadth: fc.integer({ min: 0, max: 8 }),
});
type User = typeof users extends fc.Arbitrary<infer U> ? U : never;

const branchesMax = 8;

class RandomCall {
  readonly bench: ProxyBench;
  readonly everything: Sent[] = [];
  readonly breadth: number;
  #isCancelled = false;
  #ports = 0;

  constructor(method: string, user: User) {
    this.breadth = user.breadth;
    this.bench = new ProxyBench(request(method, { headers: `Max-Breadth: ${user.breadth}\r\n` }));
    const failed = [...user.failed];
    const { bench } = this;
    bench.verdict = user.drops ? 'drop' : 'forward';
    bench.whenAnswered = (reply) => {
      if (!user.changes || reply.status < 400 || reply.status >= 500) return;
      reply.status = 480;
      reply.edits.overwrite(0, reply.response.startLineEnd, 'SIP/2.0 480 Changed\r\n');
    };
    bench.whenFailed = () => {
      const choice = failed.shift() ?? 'forward';
      if (choice === 'reply') this.reply();
      if (choice === 'add' && !this.#add()) return 'forward';
      return choice === 'forward' || choice === 'wait' ? choice : 'continue';
    };
  }

  reply(): boolean {
    return this.bench.context.reply(this.bench.now, { status: 486, reason: 'Busy', headers: '', toTag: 'x' });
  }

  /** A target with up to two more addresses, each of a port of its own. */
  #add(addresses = 0): boolean {
    const { context } = this.bench;
    if (context.branches.length >= branchesMax) return false;
    const alternatives = Array.from({ length: addresses % 3 }, () => this.#newFlow());
    return !isFailure(this.bench.add({ flow: this.#newFlow(), alternatives }));
  }

  #newFlow(): Flow {
    this.#ports++;
    return { ...callee, port: callee.port + this.#ports };
  }

  /** The request of a branch as it left. */
  requestOf(index: number): SipMessage | undefined {
    const requests = this.everything.filter(
      ({ message }) => message.isRequest && message.method === this.#method,
    );
    const { branches } = this.bench.context;
    const port = branches[index % Math.max(branches.length, 1)]?.target.flow.port;
    return requests.find(({ flow }) => flow.port === port)?.message;
  }

  get #method(): string {
    return this.bench.context.server.request.method;
  }

  play(events: readonly Event[]): void {
    this.#add();
    this.check();
    for (const one of events) {
      this.#step(one);
      this.check();
    }
    this.bench.context.expectNoMore(this.bench.now);
    // Who waits concludes some time; who adds a branch then waits for that one, too.
    for (let round = 0; round < 5; round++) {
      this.bench.advance(1_000_000);
      this.bench.context.conclude(this.bench.now);
    }
    this.bench.advance(1_000_000);
    this.check();
  }

  #step({ kind, branch: index, value }: Event): void {
    const { bench } = this;
    const { context } = bench;
    const sent = this.requestOf(index);
    if (kind === 'answer' && sent !== undefined) bench.answer(sent, value);
    else if (kind === 'wait') bench.advance(value);
    else if (kind === 'fork') this.#add(index);
    else if (kind === 'announce') context.announce(bench.now, index);
    else if (kind === 'error')
      bench.table.onTransportError(bench.now, { ...callee, port: callee.port + 1 + index });
    else if (kind === 'ack') bench.acknowledge();
    else if (kind === 'expect') context.waiting.expect(bench.now, index + 1, context.settings.timerC);
    else if (kind === 'expectNoMore') context.expectNoMore(bench.now);
    else if (kind === 'cancelBranch' && context.branches[index] !== undefined)
      context.cancelBranch(bench.now, context.branches[index]);
    else if (kind === 'reply') this.reply();
    else if (kind === 'withdraw' && index === 0) context.withdraw(bench.now);
    else if (kind === 'cancel' && !this.#isCancelled && context.server.isInvite) {
      this.#isCancelled = true;
      bench.cancel();
    }
  }

  /** What must hold at every moment. */
  check(): void {
    this.everything.push(...this.bench.take());
    const pending = this.bench.context.branches.filter((one) => one.pending);
    const inFlight = pending.reduce(
      (sum, one) => sum + Number(this.requestOf(one.index)?.firstValue(headerNames.maxBreadth) ?? 0),
      0,
    );
    expect(inFlight, 'RFC 5393 5.3.3: the sum of Max-Breadth in flight').toBeLessThanOrEqual(this.breadth);
  }

  cancels(port: number): Sent[] {
    return this.everything.filter(
      ({ message, flow }) => message.isRequest && message.method === 'CANCEL' && flow.port === port,
    );
  }
}

describe.each(['INVITE', 'OPTIONS'])('%s', (method) => {
  it('has one outcome and leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), users, (events, user) => {
        const call = new RandomCall(method, user);
        const { bench } = call;
        const isWithdrawn = events.some(({ kind, branch: index }) => kind === 'withdraw' && index === 0);
        call.play(events);
        expect(bench.remains()).toEqual(nothing);
        expect(bench.events.filter((name) => name === 'end')).toHaveLength(1);
        const upstream = call.everything.filter(
          ({ message, flow }) => flow.address === caller.address && message.cseqMethod === method,
        );
        const statuses = upstream.map((one) => one.message.status);
        const firstFinal = statuses.findIndex((status) => status >= 200);
        const outcome = statuses[firstFinal];
        // RFC 4320 4.2: a request that is no INVITE may end without an answer.
        if (method === 'INVITE' && !isWithdrawn) expect(outcome).toBeDefined();
        const after = statuses.slice(Math.max(firstFinal, 0));
        if (outcome !== undefined && outcome < 300) expect(after.every((status) => status < 300)).toBe(true);
        if (outcome !== undefined && outcome >= 300 && !isWithdrawn)
          // RFC 3261 16.7 step 10: a 2xx goes on although a failure went before and its transaction is over.
          expect(new Set(after.filter((status) => status >= 300)).size, 'copies of one failure').toBe(1);
        if (firstFinal >= 0) expect(after.every((status) => status >= 200)).toBe(true);
        // RFC 4320 4.1: 100 to a request that is no INVITE, once, when its caller repeats it slowly.
        const trying = statuses.filter((status) => status === 100).length;
        expect(trying).toBeLessThanOrEqual(method === 'INVITE' ? 0 : 1);
        expect(statuses).not.toContain(503);
        if (method !== 'INVITE') expect(statuses).not.toContain(408);
      }),
      { numRuns: 500 },
    );
  });

  it('is cancelled where it may be: an INVITE that rang, each branch by one CANCEL and its copies', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), users, (events, user) => {
        const call = new RandomCall(method, user);
        call.play(events);
        for (const { target, provisional } of call.bench.context.branches) {
          const cancels = call.cancels(target.flow.port);
          if (method !== 'INVITE' || !provisional) expect(cancels).toEqual([]);
          expect(new Set(cancels.map(({ message }) => message.text)).size).toBeLessThanOrEqual(1);
          // RFC 3261 17.1.2.2: eleven copies of a request that nobody answers.
          expect(cancels.length).toBeLessThanOrEqual(11);
        }
      }),
      { numRuns: 300 },
    );
  });
});
