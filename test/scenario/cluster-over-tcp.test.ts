/** Three cluster nodes in one process, over real TCP on the loopback: the parts joined as the server joins them. */

import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { ClusterNode } from '#cluster/cluster-node.ts';
import type { Member } from '#cluster/member.ts';
import { holdings } from '#cluster/owner-question.ts';
import { LinkConnector } from '#net/link-connector.ts';
import { LinkListener } from '#net/link-listener.ts';
import type { LinkEnvironment } from '#net/link-socket.ts';
import { systemClock, TimerDriver } from '#net/system-clock.ts';
import { isFailure } from '#util/failure.ts';
import { TimerQueue } from '#util/timer-queue.ts';
import { datagram, memberOf } from './cluster-simulation.ts';

class TcpNode {
  readonly log: string[] = [];
  readonly received: string[] = [];
  readonly broken: unknown[] = [];
  readonly #timers = new TimerQueue();
  readonly #driver = new TimerDriver(this.#timers, systemClock, (error) => this.broken.push(error));
  readonly #connector: LinkConnector;
  #listener: LinkListener | null = null;
  readonly node: ClusterNode;
  readonly #environment: LinkEnvironment = {
    monotonic: () => systemClock.monotonic(),
    afterEvent: () => this.#driver.rearm(),
    onBroken: (error) => this.broken.push(error),
  };

  constructor(nodeId: number) {
    const say = (message: string): void => void this.log.push(message);
    this.#connector = new LinkConnector(this.#environment);
    this.node = new ClusterNode(
      { clusterId: 1, nodeId, incarnation: 1, software: 'test', secret: Buffer.from('open sesame') },
      {
        timers: this.#timers,
        transport: this.#connector,
        log: { error: say, warn: say, info: say, debug: () => undefined },
        random: (bytes) => randomBytes(bytes),
        endOfTurn: (run) => void setImmediate(() => run(systemClock.monotonic())),
      },
      {
        onForward: (forwarded, from) => {
          this.received.push(`${from}: ${Buffer.from(forwarded.bytes).toString('latin1')}`);
          return true;
        },
        onForwardRefused: () => undefined,
        holds: () => holdings.nothing,
        onClaimLost: () => undefined,
        onCall: (call, _from, answer) => answer(call.parameters),
      },
    );
  }

  async listen(): Promise<number> {
    const listener = await LinkListener.listen({
      address: '127.0.0.1',
      port: 0,
      environment: this.#environment,
      accept: (link, now) => this.node.accept(link, now),
    });
    if (isFailure(listener)) throw new Error(listener.message);
    this.#listener = listener;
    return listener.port;
  }

  start(members: readonly Member[]): void {
    const now = systemClock.monotonic();
    this.node.setMembers(now, members);
    this.node.start(now);
    this.#driver.rearm();
  }

  /** As when the process dies: the kernel closes everything, nobody says goodbye. */
  async die(): Promise<void> {
    this.#driver.stop();
    this.#connector.close();
    await this.#listener?.close();
  }
}

describe('three nodes over TCP', () => {
  let nodes: TcpNode[] = [];
  afterEach(async () => {
    for (const node of nodes) await node.die();
  });

  async function until(condition: () => boolean): Promise<number> {
    const start = systemClock.monotonic();
    while (!condition() && systemClock.monotonic() - start < 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(condition()).toBe(true);
    return systemClock.monotonic() - start;
  }

  it('link up, forward, claim, call, and see a death at once', async () => {
    nodes = [1, 2, 3].map((id) => new TcpNode(id));
    const members: Member[] = [];
    for (const [index, node] of nodes.entries()) {
      members.push(memberOf(index + 1, { address: '127.0.0.1', port: await node.listen() }));
    }
    for (const node of nodes) node.start(members);
    const [one, two, three] = nodes as [TcpNode, TcpNode, TcpNode];
    await until(() => nodes.every((node) => node.node.livePeers().length === 2));
    expect(one.log.filter((line) => line.includes('Node [3] is UP'))).toHaveLength(1);

    const now = systemClock.monotonic();
    const large = 'x'.repeat(60_000);
    two.node.claim(now, 'a call', 30_000);
    two.node.forward(now, 1, datagram('\xff small', { receivedAt: now }));
    two.node.forward(now, 1, datagram(large, { receivedAt: now }));
    const results: unknown[] = [];
    three.node.call(now, 1, { method: 'echo', parameters: '[1]' }, (result) => results.push(result));
    await until(() => one.received.length === 2 && results.length === 1);
    expect(one.received).toEqual(['2: \xff small', `2: ${large}`]);
    expect(results).toEqual(['[1]']);
    expect(one.node.owner(systemClock.monotonic(), 'a call')).toEqual({ node: 2, incarnation: 1 });

    await three.die();
    const noticed = await until(() => one.node.livePeers().length === 1 && two.node.livePeers().length === 1);
    expect(noticed).toBeLessThan(1000);
    expect(one.log.filter((line) => line.includes('node [3] is down'))).toHaveLength(1);
    for (const node of nodes) expect(node.broken).toEqual([]);
  });
});
