/** The situations of an anycast cluster that its links and its membership decide (10 to 13, 17), numbered as in situations.test.ts. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Member } from '#cluster/member.ts';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import type { ClusterConfiguration } from '#server/configuration.ts';
import { type Membership, MembershipReader } from '#server/membership.ts';
import { ManualClock } from '#util/clock.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import { addressOf } from '../simulation/simulated-node.ts';
import { responseText } from '../simulation/wire.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { AnycastTrio, ackOf, calleeAddress, inDialog, invite } from './anycast-trio.ts';
import { ClusterSimulation, memberOf } from './cluster-simulation.ts';

/** A call by node 1 while something is wrong: replies come to node 2. */
function expectCall(trio: AnycastTrio, call: string): void {
  trio.arrive(1, invite({ call }));
  trio.run(30);
  trio.answer(2, 180);
  trio.answer(2, 200);
  trio.run(10);
  const names = trio.caller.messages.filter((one) => one.callId === call).map((one) => one.status);
  expect(names).toEqual([100, 180, 200]);
}

/** The callee answers every INVITE and every repetition with its 180, which reaches node 2. */
function ringFor(trio: AnycastTrio, milliseconds: number): void {
  const { messages } = trio.callee;
  for (let passed = 0, seen = messages.length; passed < milliseconds; passed += 50) {
    trio.run(50);
    for (; seen < messages.length; seen++)
      if (messages[seen]!.method === 'INVITE') trio.answer(2, 180, messages[seen]);
  }
}

describe('10. a handshake that must not succeed', () => {
  it('10: another secret is refused with the reason at both ends, and calls go on', () => {
    const trio = new AnycastTrio();
    trio.kill(3);
    trio.run(500);
    trio.start(3, { secret: 'another' });
    trio.run(10_000);
    expect(trio.at(3).node.cluster!.livePeers()).toEqual([]);
    expect(trio.at(1).node.cluster!.livePeers()).toEqual([2]);
    const said = trio.logged('wrong shared secret');
    for (const node of [1, 2, 3]) expect(said).toContain(node);
    expectCall(trio, 'meanwhile');
  });

  it('10: a second process with the id of a live node is refused, and the first stays', () => {
    const trio = new AnycastTrio();
    const twin = trio.start(2, { address: '10.0.0.9', incarnation: 7 });
    trio.run(15_000);
    expect(twin.node.cluster!.livePeers()).toEqual([]);
    for (const node of [1, 2, 3]) expect(trio.at(node).node.cluster!.livePeers()).toHaveLength(2);
    expect(trio.logged('duplicate node id: node [2]').length).toBeGreaterThan(0);
    expectCall(trio, 'meanwhile');
  });

  it('10: another cluster id and another protocol range are refused with both sides named', () => {
    const cluster = new ClusterSimulation(2);
    cluster.start(1);
    const foreign = cluster.start(2, { clusterId: 4 });
    foreign.node.setMembers(cluster.now, [memberOf(1, { clusterId: 4 })]);
    cluster.run(3000);
    expect(cluster.at(1).says('refuses this node: node [1] is of cluster 1, node [2] of cluster 4')).toBe(1);
    expect(foreign.says('node [1] is of cluster 1, node [2] of cluster 4')).toBeGreaterThan(0);
    const old = new ClusterSimulation(2);
    old.start(1);
    const newer = old.start(2, {}, { protocol: { lowest: 900, highest: 901 } });
    old.run(3000);
    expect([old.cluster(1).livePeers(), newer.node.livePeers()]).toEqual([[], []]);
    expect(old.at(1).says('node [2] 900 to 901')).toBe(1);
    expect(newer.says('node [2] 900 to 901')).toBeGreaterThan(0);
  });
});

describe('11. a peer that stands still with its connections open', () => {
  it('11: is given up within four heartbeats, and no forward waits for it', () => {
    const trio = new AnycastTrio();
    trio.run(1000);
    const stopped = trio.world.now;
    trio.at(3).stop();
    expectCall(trio, 'at once');
    for (let waited = 0; waited < 4000 && trio.at(1).node.cluster!.livePeers().length === 2; waited += 50) {
      trio.run(50);
    }
    // Three misses: the first may have been a beat that left just before.
    expect(trio.world.now - stopped).toBeLessThanOrEqual(4000);
    expectCall(trio, 'afterwards');
    expect(trio.statistic(1, 'tm:held_messages')).toBe(0);
  });

  it('11: and when it goes on, what peers handed over meanwhile is dealt with in its true order', () => {
    const trio = new AnycastTrio();
    trio.arrive(3, invite());
    trio.run(30);
    trio.at(3).stop();
    trio.answer(1, 180);
    trio.run(1000);
    trio.answer(2, 200);
    trio.run(1000);
    trio.at(3).resume();
    trio.run(1000);
    expect(trio.caller.names).toEqual(['100 INVITE', '200 INVITE']);
    expect(trio.statistic(3, 'tm:held_messages')).toBe(2);
  });

  it('11: even for a second, begins nothing anew of which others took the repetition', () => {
    const trio = new AnycastTrio();
    trio.run(1000);
    trio.at(3).stop();
    trio.run(100);
    trio.arrive(3, invite());
    trio.run(500);
    trio.arrive(1, invite());
    trio.run(300);
    trio.at(3).resume();
    trio.run(1000);
    expect(trio.callee.branches).toBe(1);
  });

  it('11: and its call goes on at its successor, which it learns when it comes back', () => {
    const trio = new AnycastTrio();
    trio.arrive(3, invite());
    trio.run(30);
    trio.answer(3, 180);
    trio.at(3).stop();
    trio.run(6000);
    expect(trio.total('tm:takeover_adopted')).toBe(1);
    trio.at(3).resume();
    trio.run(3000);
    expect(trio.statistic(3, 'tm:takeover_yielded')).toBe(1);
    trio.answer(3, 486);
    trio.run(50);
    expect(trio.caller.count('486 INVITE')).toBe(1);
    trio.arrive(3, ackOf(invite(), trio.caller.last('486 INVITE')));
    trio.settle();
    expect([trio.caller.count('486 INVITE'), trio.callee.branches]).toEqual([1, 1]);
    expect(trio.leftovers()).toEqual([]);
  });
});

describe('12. a partition that comes and goes', () => {
  it('12: each call is adopted by one node at most, is answered once, and the counts are equal afterwards', async () => {
    const trio = new AnycastTrio();
    const { links } = trio.world;
    for (const [node, call] of [
      [1, 'of1'],
      [2, 'of2'],
      [3, 'of3'],
    ] as const) {
      trio.arrive(node, invite({ call }));
      trio.run(30);
      trio.answer(node, 180);
    }
    trio.run(30);
    for (const other of [2, 3]) links.partition(addressOf(1), addressOf(other));
    ringFor(trio, 8000);
    for (const other of [2, 3]) links.heal(addressOf(1), addressOf(other));
    trio.run(8000);
    // What lay on the other side went on there; what lay on this side stayed where it was.
    const adopted = [1, 2, 3].map((node) => trio.statistic(node, 'tm:takeover_adopted'));
    const yielded = [1, 2, 3].map((node) => trio.statistic(node, 'tm:takeover_yielded'));
    const sum = (counts: number[]): number => counts.reduce((one, other) => one + other, 0);
    expect(sum(adopted)).toBe(sum(yielded));
    // Node 1 was the one that was cut off: it may not decide that the two others are dead.
    expect([adopted[0], sum(adopted)]).toEqual([0, 1]);
    const invites = trio.callee.messages.filter((message) => message.method === 'INVITE');
    for (const call of ['of1', 'of2', 'of3'])
      trio.answer(
        2,
        200,
        invites.findLast((one) => one.callId === call),
      );
    trio.run(50);
    const answered = trio.caller.messages.filter((one) => one.status === 200);
    expect(new Set(answered.map((one) => one.callId))).toEqual(new Set(['of1', 'of2', 'of3']));
    expect(trio.callee.branches).toBe(3);
    expect(await trio.profileSizes()).toEqual([3, 3, 3]);
    for (const call of ['of1', 'of2', 'of3']) {
      const ok = answered.find((one) => one.callId === call)!;
      trio.arrive(2, inDialog(ok, 'ACK', 1));
      trio.arrive(3, inDialog(ok, 'BYE', 2));
      trio.run(20);
      trio.answer(1, 200, trio.callee.last('BYE'));
    }
    trio.settle();
    expect(await trio.profileSizes()).toEqual([0, 0, 0]);
    expect(trio.leftovers()).toEqual([]);
  });
});

describe('13. the database and its rows', () => {
  let folder = '';
  let database: SqlConnection;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'anyvia-situations-'));
    database = must(openDatabase(`sqlite://${folder}/members.db`, new ManualClock()));
    await database.createDatabase();
    must(await applyMigrations(database));
    for (const node of [1, 2, 3]) await addRow(node, `bin:${addressOf(node)}:5566`);
  });

  afterEach(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function addRow(node: number, url: string): Promise<void> {
    const values = [1, node, url];
    must(await database.query('INSERT INTO clusterer (cluster_id, node_id, url) VALUES (?, ?, ?)', values));
  }

  async function setUrl(node: number, url: string): Promise<void> {
    must(await database.query('UPDATE clusterer SET url = ? WHERE node_id = ?', [url, node]));
  }

  const lines: string[] = [];
  function reader(url = `sqlite://${folder}/members.db`): MembershipReader {
    const say = (line: string): void => void lines.push(line);
    const log = { error: say, warn: say, info: say, debug: say };
    const configuration = { ...clusterOf1, databaseUrl: url };
    return must(
      MembershipReader.open(configuration, new ManualClock(), log, join(folder, 'membership.json')),
    );
  }

  it('13: away at the start: the last good membership is used, and without one the reason is said', async () => {
    const nowhere = `mysql://nobody@127.0.0.1:${await closedPort()}/opensips`;
    const hopeless = reader(nowhere);
    expect(isFailure(await hopeless.first(random))).toBe(true);
    await hopeless.close();
    const first = reader();
    expect(nodesOf(must(await first.first(random)))).toEqual([1, 2, 3]);
    await first.close();
    const again = reader(nowhere);
    const membership = must(await again.first(random));
    await again.close();
    expect(nodesOf(membership)).toEqual([1, 2, 3]);
    expect(lines.some((line) => line.includes('last known membership'))).toBe(true);
  });

  it('13: away while running: the members stay, links and calls too', async () => {
    const trio = new AnycastTrio();
    const away = reader(`mysql://nobody@127.0.0.1:${await closedPort()}/opensips`);
    const members = await away.read();
    await away.close();
    expect(isFailure(members)).toBe(true);
    // What the daemon does with a failure: nothing.
    expectCall(trio, 'meanwhile');
    expect(trio.at(1).node.cluster!.livePeers()).toEqual([2, 3]);
  });

  it('13: a row that is edited moves that node alone; links of the others stay', async () => {
    const trio = new AnycastTrio();
    const rows = reader();
    await setUrl(3, 'bin:10.0.0.33:5566');
    const members = must(await rows.read());
    for (const node of [1, 2]) trio.at(node).node.cluster!.setMembers(trio.world.now, members);
    trio.kill(3);
    trio.start(3, { address: '10.0.0.33', incarnation: 2 });
    trio.run(8000);
    await rows.close();
    expect(trio.at(1).node.cluster!.livePeers()).toEqual([2, 3]);
    expect(trio.logged('node [2] is down')).toEqual([]);
  });

  it('13: a URL with IPv6 is read with and without brackets; a row that cannot be read costs that row', async () => {
    const rows = reader();
    await setUrl(2, 'bin:[2001:db8::2]:5566');
    await setUrl(3, 'sip:nonsense');
    lines.length = 0;
    const members = must(await rows.read());
    expect(nodesOf({ members })).toEqual([1, 2]);
    expect(members.find((one) => one.nodeId === 2)!.address).toBe('2001:db8::2');
    expect(lines.some((line) => line.includes('sip:nonsense'))).toBe(true);
    await setUrl(3, 'bin:2001:db8::3:5566');
    expect(nodesOf({ members: must(await rows.read()) })).toEqual([1, 2]);
    expect(lines.some((line) => line.includes('write bin:[2001:db8::3]:5566'))).toBe(true);
    await setUrl(3, 'bin:2001:db8::3');
    const bare = must(await rows.read());
    await rows.close();
    expect(bare.find((one) => one.nodeId === 3)?.address).toBe('2001:db8::3');
  });

  it('13: a host that does not resolve is a member that is down, dialled again and again; calls go on', async () => {
    const trio = new AnycastTrio();
    const rows = reader();
    await setUrl(3, 'bin:nowhere.invalid:5566');
    const members = must(await rows.read());
    await rows.close();
    for (const node of [1, 2]) trio.at(node).node.cluster!.setMembers(trio.world.now, members);
    trio.kill(3);
    trio.run(20_000);
    const view = trio
      .at(1)
      .node.cluster!.peers()
      .find((one) => one.nodeId === 3)!;
    expect(['down', 'connecting']).toContain(view.state);
    expect(trio.at(1).node.cluster!.livePeers()).toEqual([2]);
    expectCall(trio, 'meanwhile');
    // The name is in the DNS now.
    trio.world.links.name('nowhere.invalid', addressOf(3));
    trio.start(3);
    trio.run(8000);
    expect(trio.at(1).node.cluster!.livePeers()).toEqual([2, 3]);
  });
});

describe('17. large datagrams and broken frames', () => {
  it('17: a reply of 65 kB on the wrong node reaches the caller byte by byte', () => {
    const trio = new AnycastTrio();
    trio.arrive(1, invite());
    trio.run(30);
    const body = 'x'.repeat(64_000);
    const small = responseText(trio.callee.last('INVITE'), {
      status: 183,
      reason: 'Progress',
      tag: 'callee',
    });
    const large = `${small.replace('Content-Length: 0', `Content-Length: ${body.length}`)}${body}`;
    trio.arrive(2, large, calleeAddress);
    trio.run(50);
    expect(trio.caller.last('183 INVITE').text.endsWith(`\r\n\r\n${body}`)).toBe(true);
    expect(trio.statistic(2, 'tm:cluster_reply_sent')).toBe(1);
  });

  it('17: whatever a stranger sends to the port of the links costs that link, and no call', () => {
    const seed = Number(process.env.SEED ?? 17);
    const random = new SeededRandom(seed);
    const trio = new AnycastTrio();
    let closed = 0;
    for (let index = 0; index < 200; index++) {
      const silent = { onOpen() {}, onBytes() {}, onDrain() {}, onClose: () => void closed++ };
      const link = trio.world.links
        .transportOf('203.0.113.66')
        .connect({ address: addressOf(1), port: 5566, secure: false }, silent);
      const bytes = random.bytes(1 + random.below(400));
      // Half of them look like the beginning of a frame that is allowed.
      if (index % 2 === 0 && bytes.length > 8) bytes.writeUInt32BE(16 + random.below(300), 0);
      trio.run(2);
      link.write(bytes);
      trio.run(10);
    }
    trio.run(5000);
    expect(closed, `seed ${seed}`).toBe(200);
    expectCall(trio, 'afterwards');
    expect(trio.total('core:broken_invariants')).toBe(0);
    expect(trio.world.problems.filter(({ text }) => text.includes('anyvia itself'))).toEqual([]);
  });
});

const clusterOf1: ClusterConfiguration = {
  nodeId: 1,
  fromDatabase: true,
  databaseUrl: '',
  table: 'clusterer',
  columns: {},
  members: [],
  sharedSecret: null,
  otherSecret: null,
  heartbeatMilliseconds: 1000,
  pollMilliseconds: 0,
  claimBatchMilliseconds: 20,
  claimDirectory: 'all',
  tagLeaseMilliseconds: 4000,
  tagQuorum: 'majority',
  clusterId: 1,
  listen: null,
  certificates: null,
};

function random(bytes: number): Buffer {
  return Buffer.alloc(bytes, 7);
}

function nodesOf({ members }: Pick<Membership, 'members'>): number[] {
  return members.map((member: Member) => member.nodeId);
}

function must<Value>(outcome: Value | Failure): Value {
  if (isFailure(outcome)) throw new Error(outcome.message);
  return outcome as Value;
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
