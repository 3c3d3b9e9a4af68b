/**
 * A phone registers at one node, and whoever calls it the moment its 200 has left reaches another node: that node must
 * know. Whole nodes in memory, links with random delays; script promises go on between the steps of the clock.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { addressOf, SimulatedNode } from '../simulation/simulated-node.ts';
import { World } from '../simulation/world.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { Mailbox } from './anycast-trio.ts';
import { memberOf } from './cluster-simulation.ts';

const phoneAddress = '10.2.0.1:5060';
const callerAddress = '10.1.0.1:5060';
const seed = Number(process.env.SEED ?? 20_261_123);

class Registrars {
  readonly world: World;
  readonly nodes: SimulatedNode[];
  readonly phone: Mailbox;
  readonly caller: Mailbox;
  readonly random: SeededRandom;
  #requests = 0;

  constructor(parameters = '', linkDelay: readonly [number, number] = [0, 20]) {
    this.random = new SeededRandom(seed);
    this.world = new World(seed);
    this.world.faults = { lossChance: 0, doubleChance: 0, delay: [0, 0] };
    this.phone = new Mailbox(this.world, phoneAddress);
    this.caller = new Mailbox(this.world, callerAddress);
    const members = [1, 2, 3].map((id) => memberOf(id, { address: addressOf(id), port: 5566 }));
    this.nodes = members.map(({ nodeId }) => {
      const node = new SimulatedNode(
        this.world,
        { id: nodeId, incarnation: 1 },
        scriptOf(nodeId, parameters),
      );
      node.start(members);
      return node;
    });
    this.world.run(3000);
    this.world.links.faults.delay = linkDelay;
  }

  at(id: number): SimulatedNode {
    return this.nodes[id - 1]!;
  }

  statistic(id: number, name: string): number {
    return this.at(id).node.statistics.find(name) ?? 0;
  }

  /** Sends a REGISTER to a node; returns the milliseconds until its 200 is there. */
  async register(id: number, user: string, headers: string, cseq = 1): Promise<number> {
    this.phone.messages.length = 0;
    const begin = this.world.now;
    const uri = 'sip:198.51.100.1';
    this.at(id).receive(this.#request('REGISTER', uri, user, phoneAddress, headers, cseq), phoneAddress);
    // INVITEs that nobody answers are repeated meanwhile.
    const answers = (): string[] => this.phone.names.filter((name) => name !== 'INVITE');
    while (answers().length === 0) {
      if (this.world.now - begin > 5000) throw new Error(`no answer to the REGISTER of ${user}`);
      await turn();
      this.world.run(this.world.now + 1);
    }
    expect(answers()).toEqual(['200 REGISTER']);
    return this.world.now - begin;
  }

  /** What an INVITE meets on that node at this very moment: 'found', or a status. */
  call(id: number, user: string): string {
    this.phone.messages.length = 0;
    this.caller.messages.length = 0;
    this.at(id).receive(
      this.#request('INVITE', `sip:${user}@198.51.100.1`, user, callerAddress),
      callerAddress,
    );
    this.world.run(this.world.now);
    const wanted = `sip:${user}@${phoneAddress}`;
    if (this.phone.messages.some((message) => message.requestUri === wanted)) return 'found';
    return this.caller.names.find((name) => !name.startsWith('100')) ?? 'nothing';
  }

  #request(method: string, uri: string, user: string, from: string, headers = '', cseq = 1): string {
    const number = ++this.#requests;
    const callId = method === 'REGISTER' ? `registration-${user}` : `call-${number}`;
    return (
      `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${from};branch=z9hG4bK-${number}\r\n` +
      `From: <sip:someone@198.51.100.1>;tag=${number}\r\nTo: <sip:${user}@198.51.100.1>\r\n` +
      `Call-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\nMax-Forwards: 70\r\n${headers}Content-Length: 0\r\n\r\n`
    );
  }
}

function scriptOf(id: number, parameters: string): string {
  const info = (node: number): string => `cluster_id=1,node_id=${node},url=bin:${addressOf(node)}:5566`;
  const peers = [1, 2, 3].filter((node) => node !== id);
  return `
socket=udp:198.51.100.1:5060 anycast
socket=bin:${addressOf(id)}:5566
${'proto_udp proto_bin clusterer sl signaling sipmsgops tm rr usrloc registrar'
  .split(' ')
  .map((name) => `loadmodule "${name}.so"`)
  .join('\n')}
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", ${id})
modparam("clusterer", "my_node_info", "${info(id)}")
${peers.map((node) => `modparam("clusterer", "neighbor_node_info", "${info(node)}")`).join('\n')}
modparam("tm", "tm_replication_cluster", 1)
${parameters}
route {
  if (is_method("REGISTER")) { save("location"); exit; }
  if (!lookup("location")) { send_reply(404, "Not Found"); exit; }
  t_relay();
}
`;
}

function contact(user: string, more = ''): string {
  return `Contact: <sip:${user}@${phoneAddress}>${more}\r\n`;
}

describe(`a call that follows the 200 of a REGISTER at once (seed ${seed})`, () => {
  it('finds the contact on every node, a thousand times', { timeout: 60_000 }, async () => {
    const cluster = new Registrars();
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 1000; round++) {
      const home = 1 + cluster.random.below(3);
      await cluster.register(home, `user-${round}`, contact(`user-${round}`));
      for (const { id } of cluster.nodes) {
        const outcome = cluster.call(id, `user-${round}`);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    }
    expect([...outcomes]).toEqual([['found', 3000]]);
    const asked = [1, 2, 3].reduce((sum, id) => sum + cluster.statistic(id, 'usrloc:confirmations'), 0);
    const late = [1, 2, 3].reduce((sum, id) => sum + cluster.statistic(id, 'usrloc:unconfirmed'), 0);
    expect({ asked, late }).toEqual({ asked: 1000, late: 0 });
  });

  it('would miss it where the answer does not wait', async () => {
    const cluster = new Registrars('modparam("usrloc", "confirm_timeout", 0)');
    let missed = 0;
    for (let round = 0; round < 50; round++) {
      await cluster.register(1, `user-${round}`, contact(`user-${round}`));
      if (cluster.call(2, `user-${round}`) !== 'found') missed++;
    }
    expect(missed).toBeGreaterThan(25);
  });

  it('finds no contact any more that was removed, on any node', async () => {
    const cluster = new Registrars();
    for (let round = 0; round < 50; round++) {
      const user = `user-${round}`;
      await cluster.register(1, user, contact(user));
      await cluster.register(1 + cluster.random.below(3), user, contact(user, ';expires=0'), 2);
      for (const { id } of cluster.nodes) expect(cluster.call(id, user)).toBe('404 INVITE');
    }
  });
});

describe('the answer to a REGISTER', () => {
  it('does not wait when it only prolongs what the peers know', async () => {
    const cluster = new Registrars('', [20, 20]);
    expect(await cluster.register(1, 'bob', contact('bob'))).toBeGreaterThanOrEqual(40);
    expect(await cluster.register(1, 'bob', contact('bob'), 2)).toBeLessThanOrEqual(1);
    expect(await cluster.register(2, 'bob', contact('bob', ';q=0.5'), 3)).toBeGreaterThanOrEqual(40);
    cluster.world.run(cluster.world.now + 3_599_500);
    // The last moment before the peers forget it: that it goes on is news.
    expect(await cluster.register(2, 'bob', contact('bob', ';q=0.5'), 4)).toBeGreaterThanOrEqual(40);
  });

  it('waits no longer than confirm_timeout for a peer that stands still, and counts it', async () => {
    const cluster = new Registrars();
    cluster.at(3).stop();
    const waited = await cluster.register(1, 'bob', contact('bob'));
    expect(waited).toBeGreaterThanOrEqual(50);
    expect(waited).toBeLessThanOrEqual(53);
    expect(cluster.statistic(1, 'usrloc:unconfirmed')).toBe(1);
    cluster.at(3).resume();
    cluster.world.run(cluster.world.now + 1);
    expect(cluster.call(3, 'bob')).toBe('found');
  });

  it('does not wait for a peer that goes down meanwhile', async () => {
    const cluster = new Registrars('modparam("usrloc", "confirm_timeout", 4000)', [5, 5]);
    cluster.at(3).stop();
    const waiting = cluster.register(1, 'bob', contact('bob'));
    for (let step = 0; step < 5; step++) await turn();
    cluster.at(3).kill();
    expect(await waiting).toBeLessThan(100);
    expect(cluster.statistic(1, 'usrloc:unconfirmed')).toBe(0);
  });
});
