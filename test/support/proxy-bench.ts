/** A proxy with one request in it: the caller's side and up to a few callees, all of them the test itself. */

import type { ProxyBranch, ProxyTarget } from '#proxy/proxy-branch.ts';
import type { BranchReply, FinalVerdict, ProxySettings, ProxyUser } from '#proxy/proxy-user.ts';
import { ResponseContext } from '#proxy/response-context.ts';
import { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { TransactionSettings } from '#transaction/settings.ts';
import { assert } from '#util/assert.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';
import { answer, callee, caller, nameOf, request, type Sent, TransactionBench } from './transaction-bench.ts';

export const proxyDefaults: ProxySettings = {
  timerC: 180_000,
  frTimeout: 32_000,
  viaParameter: ';cid=2',
  serverHeader: 'Server: test\r\n',
  translate503: true,
  block6xx: true,
  restartTimerC: true,
  detectLoops: true,
  understoodOptions: [],
};

export class ProxyBench extends TransactionBench implements ProxyUser {
  readonly context: ResponseContext;
  /** What the user does when every branch failed. */
  whenFailed: (status: number) => FinalVerdict = () => 'forward';
  /** What the user says to a provisional response. */
  verdict: 'forward' | 'drop' = 'forward';

  /** What the user does with a response before it is dealt with. */
  whenAnswered: (reply: BranchReply, now: number) => void = () => {};

  constructor(
    received: SipMessage = request('INVITE'),
    settings: Partial<ProxySettings> = {},
    timers: Partial<TransactionSettings> = {},
    source: Flow = caller,
  ) {
    super(timers);
    const options = { user: this, settings: { ...proxyDefaults, ...settings } };
    const context = ResponseContext.create(this.now, this.table, { request: received, source }, options);
    assert(!isFailure(context), 'the table is full');
    this.context = context;
  }

  onResponse(now: number, branch: ProxyBranch, reply: BranchReply): 'forward' | 'drop' {
    this.events.push(`response ${branch.index} ${reply.status}`);
    this.whenAnswered(reply, now);
    return this.verdict;
  }

  onFinal(_now: number, branch: ProxyBranch, _response: SipMessage | null, status: number): FinalVerdict {
    this.events.push(`final ${branch.index} ${status}`);
    return this.whenFailed(status);
  }

  onReply(_now: number, reply: { readonly status: number }): void {
    this.events.push(`reply ${reply.status}`);
  }

  onEnd(): void {
    this.events.push('end');
  }

  newToTag(): string {
    return 'proxy';
  }

  /** One more branch, to port 5070 + its index; gives the request as it left. */
  fork(target: Partial<ProxyTarget> = {}): SipMessage {
    const before = this.sent.length;
    const branch = this.add(target);
    assert(!isFailure(branch), isFailure(branch) ? branch.message : '');
    const sent = this.sent.splice(before);
    assert(sent.length === 1, 'the branch sent its request once');
    return sent[0]!.message;
  }

  add(target: Partial<ProxyTarget> = {}): ProxyBranch | Failure {
    const port = callee.port + this.context.branches.length;
    return this.context.addBranch(this.now, {
      requestUri: `sip:bob@203.0.113.9:${port}`,
      flow: { ...callee, port },
      edits: new MessageEdits(),
      headers: '',
      ...target,
    });
  }

  /** The callee of `sent` answers it. */
  answer(sent: SipMessage, status: number, toTag = 'bob', headers = ''): void {
    this.deliver(answer(sent, status, toTag, headers));
  }

  deliver(response: SipMessage): void {
    this.table.findClient(response)?.receive(this.now, response);
  }

  /** The caller cancels. */
  cancel(headers = ''): void {
    this.context.receiveCancel(this.now, request('CANCEL', { headers }), caller);
  }

  /** The caller's ACK to the failure. */
  acknowledge(): void {
    const ack = request('ACK', { toTag: 'x' });
    this.table.findServer(ack)?.receive(this.now, ack);
  }

  /** What went to the caller since the last `take`; the rest stays. */
  takeUpstream(): Sent[] {
    const upstream = this.sent.filter((sent) => sent.flow.address === caller.address);
    this.sent = this.sent.filter((sent) => sent.flow.address !== caller.address);
    return upstream;
  }

  takeUpstreamNames(): string[] {
    return this.takeUpstream().map(nameOf);
  }

  /** Nothing may be left of the request: transactions, timers. */
  remains(): { servers: number; clients: number; timers: number } {
    return { servers: this.table.serverCount, clients: this.table.clientCount, timers: this.timers.size };
  }
}

export const nothing = { servers: 0, clients: 0, timers: 0 };
