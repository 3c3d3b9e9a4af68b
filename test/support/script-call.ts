/** A node that runs a script, a caller at 10.0.0.9:5070, and callees wherever the script sends the request. */

import { request } from './module-host.ts';
import { NodeHarness, readSent, type SentDatagram } from './node-harness.ts';
import { answer } from './transaction-bench.ts';

export const callerAddress = '10.0.0.9:5070';

export interface CalleeAnswer {
  readonly toTag?: string;
  /** Header lines, each ending in CRLF. */
  readonly headers?: string;
  /** Where it comes from, unless from where the request went. */
  readonly from?: string;
  readonly reason?: string;
}

export class ScriptCall extends NodeHarness {
  /** A request of the caller, to sip:bob@example.org unless another URI is named. */
  send(method: string, ...headers: string[]): SentDatagram[] {
    return this.sendTo('sip:bob@example.org', method, ...headers);
  }

  sendTo(uri: string, method: string, ...headers: string[]): SentDatagram[] {
    return this.receive(request(method, uri, ...headers).text, callerAddress);
  }

  /** The callee answers a request that it was sent. */
  answer(sent: SentDatagram | undefined, status: number, given: CalleeAnswer = {}): SentDatagram[] {
    const { text } = answer(readSent(sent), status, given.toTag ?? 'bob', given.headers ?? '');
    const line =
      given.reason === undefined
        ? text
        : text.replace(/^SIP\/2\.0 \d+ .*/, `SIP/2.0 ${status} ${given.reason}`);
    return this.receive(line, given.from ?? sent!.to);
  }

  /** What was logged at the level of xlog's default. */
  said(): string[] {
    return this.logged.splice(0).map((line) => line.message);
  }
}

/** `INVITE 10.0.0.8:5060`, `180 10.0.0.9:5070` */
export function names(sent: readonly SentDatagram[]): string[] {
  return sent.map((datagram) => {
    const { isRequest, method, status } = readSent(datagram);
    return `${isRequest ? method : status} ${datagram.to}`;
  });
}

export function only(sent: readonly SentDatagram[], start: string): SentDatagram {
  const found = sent.filter(
    (datagram) => datagram.text.startsWith(start) || datagram.text.startsWith(`SIP/2.0 ${start}`),
  );
  if (found.length !== 1) throw new Error(`${found.length} of ${start} in ${names(sent).join(', ')}`);
  return found[0]!;
}
