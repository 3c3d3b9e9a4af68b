/** The transaction layer: the branch, and whole transactions through their state machines and timers. */

import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { BranchCodec } from '#transaction/branch.ts';
import { defaultSettings } from '#transaction/settings.ts';
import { TransactionTable } from '#transaction/table.ts';
import { assert } from '#util/assert.ts';
import { isFailure } from '#util/failure.ts';
import { TimerQueue } from '#util/timer-queue.ts';
import { callee, caller, request } from '../support/transaction-bench.ts';
import type { MicroCase } from './micro.ts';

const silent = {
  onAck: () => {},
  onServerTimeout: () => {},
  onServerTransportError: () => {},
  onServerTerminated: () => {},
  onResponse: () => {},
  onTimeout: () => {},
  onTransportError: () => {},
  onTerminated: () => {},
};

/** Milliseconds between two transactions: as many linger as at that pace. */
const pace = 1;

class Pacer {
  readonly timers = new TimerQueue();
  readonly branches = new BranchCodec({ node: 2, incarnation: 71, worker: 0 }, [Buffer.from('a secret')]);
  readonly table = new TransactionTable({
    timers: this.timers,
    transport: { send: () => {} },
    branches: this.branches,
    settings: defaultSettings,
  });
  #now = 0;
  #count = 0;

  step(): { now: number; count: number } {
    this.#now += pace;
    this.timers.advance(this.#now);
    return { now: this.#now, count: ++this.#count };
  }
}

function answered(text: string): string {
  const parsed = parseMessage(text) as SipMessage;
  return buildResponse(parsed, { status: 200, reason: 'OK', toTag: 'bob', headers: '' });
}

function serverTransactions(pacer: Pacer, template: string, reply: Buffer, times: number): void {
  for (let index = 0; index < times; index++) {
    const { now, count } = pacer.step();
    const bye = parseMessage(template.replace('z9hG4bKcaller1', `z9hG4bK${count}`)) as SipMessage;
    const server = pacer.table.createServer(now, bye, caller, silent);
    assert(!isFailure(server), 'no room');
    server.respond(now, 200, reply);
    server.detachUser();
  }
}

function clientTransactions(pacer: Pacer, template: string, reply: string, times: number): void {
  for (let index = 0; index < times; index++) {
    const { now } = pacer.step();
    const slot = pacer.table.reserveClient(0);
    assert(!isFailure(slot), 'no room');
    const text = template.replace('z9hG4bKcaller1', slot.branch);
    const sent = { text, method: 'BYE', flow: callee, finalResponseMilliseconds: 5000 };
    pacer.table.prepareClient(slot, sent, silent).start(now);
    const response = parseMessage(reply.replace('z9hG4bKcaller1', slot.branch)) as SipMessage;
    const client = pacer.table.findClient(response);
    assert(client !== null, 'the response finds nobody');
    client.receive(now, response);
  }
}

export function transactionCases(): MicroCase[] {
  const server = new Pacer();
  const client = new Pacer();
  const bye = request('BYE').text;
  const reply = toBytes(answered(bye));
  const ours = request('BYE', { sentBy: '192.0.2.1:5060' }).text;
  const oursAnswered = answered(ours);
  const branch = server.branches.write(5, 3, 0, 77);
  return [
    {
      name: 'write a branch with its MAC',
      run: (times) => {
        for (let index = 0; index < times; index++) server.branches.write(index, 3, 0, 77);
      },
    },
    {
      name: 'verify a branch',
      run: (times) => {
        for (let index = 0; index < times; index++) assert(server.branches.verify(branch), 'not ours');
      },
    },
    {
      name: 'a BYE server transaction from parsing to its timer J, 32,000 of them lingering',
      run: (times) => serverTransactions(server, bye, reply, times),
    },
    {
      name: 'a BYE client transaction from its branch to its timer K, the response parsed',
      run: (times) => clientTransactions(client, ours, oursAnswered, times),
    },
  ];
}
