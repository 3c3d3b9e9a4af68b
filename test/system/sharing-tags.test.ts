/** A sharing tag among three processes: taken, handed over by a command, survived, and not stolen by a restart. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';

const folder = mkdtempSync(join(tmpdir(), 'anyvia-tags-'));
const ids = [1, 2, 3];
const nodes = new Map<number, Daemon>();
const at = (node: number): Daemon => nodes.get(node)!;

function script(node: number, sipPort: number, linkPort: number): string {
  const info = (one: number): string => `cluster_id=1,node_id=${one},url=bin:127.0.0.${one}:${linkPort}`;
  const peers = ids.filter((one) => one !== node);
  return `socket = udp:127.0.0.${node}:${sipPort} anycast
    socket = bin:127.0.0.${node}:${linkPort}
    loadmodule "proto_udp.so"\nloadmodule "proto_bin.so"\nloadmodule "clusterer.so"\nloadmodule "tm.so"
    loadmodule "sl.so"
    modparam("clusterer", "db_mode", 0)
    modparam("clusterer", "shared_secret", "open sesame")
    modparam("clusterer", "my_node_info", "${info(node)}")
    ${peers.map((peer) => `modparam("clusterer", "neighbor_node_info", "${info(peer)}")`).join('\n')}
    modparam("clusterer", "sharing_tag", "vip/1=${node === 1 ? 'active' : 'backup'}")
    modparam("clusterer", "sharing_tag", "elsewhere/2=active")
    modparam("clusterer", "sharing_tag_lease", 2)
    route { sl_send_reply(404, "$cluster.sh_tag(vip/1)"); }
    timer_route[look, 1] { xlog("look: $cluster.sh_tag(vip/1)\\n"); }
    event_route[E_CLUSTERER_SHARING_TAG_CHANGED] {
      xlog("event: $param(name)/$param(cluster) is $param(state)\\n");
    }`;
}

async function holders(): Promise<number[]> {
  const found: number[] = [];
  for (const [node, daemon] of nodes) {
    if (daemon.pid === 0) continue;
    const tags = (await daemon.ask('clusterer_list_shtags')) as {
      Tag: string;
      Cluster: number;
      State: string;
    }[];
    expect(tags).toEqual([{ Tag: 'vip', Cluster: 1, State: expect.stringMatching(/^(active|backup)$/) }]);
    if (tags[0]!.State === 'active') found.push(node);
  }
  return found;
}

const untilHeldBy = (node: number): Promise<void> =>
  until(async () => String(await holders()) === String(node), 20_000);

describe('a sharing tag of three processes', () => {
  beforeAll(async () => {
    const [sipPort, linkPort] = (await freeUdpPorts(2)) as [number, number];
    for (const node of ids)
      nodes.set(node, new Daemon(folder, `node${node}`, script(node, sipPort, linkPort)));
    await Promise.all([...nodes.values()].map((node) => node.start()));
  });

  afterAll(async () => {
    for (const node of nodes.values()) await node.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('becomes active where the script says so, which scripts see', async () => {
    await untilHeldBy(1);
    expect(at(1).log).toContain('sharing tag <vip/1> is active');
    expect(at(1).log).toContain('is of cluster 2, this node of cluster 1: it is never active here');
    await until(() => at(1).log.includes('look: active') && at(2).log.includes('look: backup'));
    expect(at(1).log).toContain('event: vip/1 is active');
    expect(await at(1).statistic('clusterer:sharing_tags_active')).toBe(1);
  }, 40_000);

  it('is taken by command', async () => {
    expect(await at(3).ask('clusterer:shtag_set_active', { tag: 'vip/1' })).toBe('OK');
    expect(await holders()).toEqual([3]);
    expect(at(1).log).toContain('sharing tag <vip/1> is backup: node [3] was told to take it');
    await expect(at(2).ask('clusterer:shtag_set_active', { tag: 'vip/7' })).rejects.toThrow(
      'is of cluster 7',
    );
  }, 20_000);

  it('goes on when its holder is killed, and is not stolen when that one is back', async () => {
    await at(3).kill();
    await until(async () => (await holders()).length === 1, 10_000);
    const [holder] = await holders();
    expect(holder).not.toBe(3);
    await at(3).start();
    const end = Date.now() + 7000;
    while (Date.now() < end) {
      expect(await holders()).toEqual([holder]);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }, 40_000);

  it('is no more of a process that stood still, from the first moment that it runs again', async () => {
    const [holder] = await holders();
    const daemon = at(holder!);
    process.kill(daemon.pid, 'SIGSTOP');
    const others = [...nodes].filter(([node]) => node !== holder);
    await until(async () => {
      for (const [, other] of others)
        if ((await other.statistic('clusterer:sharing_tags_active')) === 1) return true;
      return false;
    }, 20_000);
    process.kill(daemon.pid, 'SIGCONT');
    for (let look = 0; look < 20; look++) expect(await holders()).not.toContain(holder);
    await until(() => daemon.log.includes('is backup: no majority renewed its lease in time'));
    await until(async () => (await holders()).length === 1);
  }, 60_000);

  it('is let go by a node that drains', async () => {
    const [holder] = await holders();
    expect(await at(holder!).ask('anyvia:drain', { timeout: 1 })).toMatchObject({ drained: true });
    await until(() => at(holder!).log.includes('is backup: this node takes no new work'));
    await until(async () => {
      const found = await holders();
      return found.length === 1 && found[0] !== holder;
    });
  }, 20_000);
});
