/** One real call: Bob registers, Alice calls his address of record, they talk for a moment, Alice hangs up. */

import { randomUUID } from 'node:crypto';
import { Phone } from '#quickstart/phone.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { buildRequest } from '#sip/request.ts';
import { buildResponse } from '#sip/response.ts';
import { Failure, isFailure } from '#util/failure.ts';

const domain = 'anyvia.example';
const talkMilliseconds = 300;
const ringMilliseconds = 150;
const dialMilliseconds = 100;

export interface Call {
  readonly callId: string;
  readonly alicePort: number;
  readonly bobPort: number;
}

function branch(): string {
  return `z9hG4bK${randomUUID()}`;
}

function via(phone: Phone): string {
  return `SIP/2.0/UDP 127.0.0.1:${phone.port};branch=${branch()}`;
}

/** A Failure says which step got no answer, or the wrong one. */
export async function placeCall(sipPort: number): Promise<Call | Failure> {
  const alice = await Phone.open(sipPort);
  const bob = await Phone.open(sipPort);
  if (isFailure(alice)) return alice;
  if (isFailure(bob)) return bob;
  const callId = `first-call-${process.pid}`;
  const problem = (await register(bob)) ?? (await dialAndTalk(alice, bob, callId));
  const { port: alicePort } = alice;
  const { port: bobPort } = bob;
  alice.close();
  bob.close();
  return problem ?? { callId, alicePort, bobPort };
}

/** A program dials faster than the news of a registration reaches the other nodes; Alice is no program. */
async function dialAndTalk(alice: Phone, bob: Phone, callId: string): Promise<Failure | null> {
  await new Promise((resolve) => setTimeout(resolve, dialMilliseconds));
  return converse(alice, bob, callId);
}

async function register(bob: Phone): Promise<Failure | null> {
  const request = buildRequest({
    method: 'REGISTER',
    uri: `sip:${domain}`,
    via: via(bob),
    from: `<sip:bob@${domain}>;tag=bob-registers`,
    to: `<sip:bob@${domain}>`,
    callId: `register-${process.pid}`,
    cseq: 1,
    headers: `Contact: <sip:bob@127.0.0.1:${bob.port}>\r\nExpires: 60\r\nMax-Forwards: 70\r\n`,
    body: '',
  });
  return expect(await bob.ask(request, (response) => response.status >= 200), 'REGISTER');
}

function expect(answer: SipMessage | Failure, what: string): Failure | null {
  if (isFailure(answer)) return answer;
  if (answer.status < 300) return null;
  return new Failure('QUICKSTART_REFUSED', `${what} was answered ${answer.status} ${answer.reason}`);
}

/** Bob rings, answers, and agrees to the end. */
function answerCalls(bob: Phone): void {
  bob.onMessage = (message) => {
    if (!message.isRequest || message.method === 'ACK') return;
    const reply = (status: number, reason: string): void => {
      const contact = `Contact: <sip:bob@127.0.0.1:${bob.port}>\r\n`;
      void bob.send(buildResponse(message, { status, reason, toTag: 'bob-answers', headers: contact }));
    };
    if (message.method === 'INVITE') {
      reply(180, 'Ringing');
      setTimeout(() => reply(200, 'OK'), ringMilliseconds);
    } else reply(200, 'OK');
  };
}

async function converse(alice: Phone, bob: Phone, callId: string): Promise<Failure | null> {
  answerCalls(bob);
  const from = `<sip:alice@${domain}>;tag=alice-calls`;
  const contact = `Contact: <sip:alice@127.0.0.1:${alice.port}>\r\nMax-Forwards: 70\r\n`;
  const parts = { from, callId, headers: contact, body: '' };
  const uri = `sip:bob@${domain}`;
  const invite = buildRequest({ ...parts, method: 'INVITE', uri, via: via(alice), to: `<${uri}>`, cseq: 1 });
  const answer = await alice.ask(invite, (response) => response.status >= 200);
  const refused = expect(answer, 'INVITE');
  if (refused !== null || isFailure(answer)) return refused;
  // RFC 3261 12.1.2: the caller's route set is the Record-Route of the answer, backwards.
  const routes = answer.values(headerNames.recordRoute).reverse();
  const headers = `${routes.map((route) => `Route: ${route}\r\n`).join('')}${contact}`;
  const remote = answer.firstValue(headerNames.contact).replace(/^<|>$/g, '');
  const inDialog = { ...parts, headers, uri: remote, to: answer.firstValue(headerNames.to) };
  await alice.send(buildRequest({ ...inDialog, method: 'ACK', via: via(alice), cseq: 1 }));
  await new Promise((resolve) => setTimeout(resolve, talkMilliseconds));
  const bye = buildRequest({ ...inDialog, method: 'BYE', via: via(alice), cseq: 2 });
  return expect(await alice.ask(bye, (response) => response.status >= 200), 'BYE');
}
