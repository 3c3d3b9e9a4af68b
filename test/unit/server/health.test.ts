import { describe, expect, it } from 'vitest';
import type { Logger } from '#module/host.ts';
import { HealthListener } from '#net/health-listener.ts';
import { Announcement } from '#server/announcement.ts';
import { FreezeWatch } from '#server/freeze-watch.ts';
import { HookCommands } from '#server/hook-command.ts';
import { Isolation } from '#server/isolation.ts';
import { Lateness } from '#server/lateness.ts';
import { dropsOf, Overflow } from '#server/overflow.ts';
import { isFailure } from '#util/failure.ts';

function announcementWith(peers: { taking: number }): { announcement: Announcement; changes: string[] } {
  const changes: string[] = [];
  const announcement = new Announcement({
    takingPeers: () => peers.taking,
    onChange: (isAnnounced, reasons) => {
      changes.push(isAnnounced ? 'announced' : reasons.join(' '));
    },
  });
  return { announcement, changes };
}

describe('the announcement', () => {
  it('comes when the links were tried, goes for a drain and comes again', () => {
    const { announcement, changes } = announcementWith({ taking: 2 });
    expect(announcement.isAnnounced).toBe(false);
    announcement.set('starting', false);
    announcement.set('draining', true);
    announcement.set('lagging', true);
    announcement.set('draining', false);
    announcement.set('lagging', false);
    expect(changes).toEqual(['announced', 'draining', 'announced']);
  });

  it('stays on the last node that takes work, unless the operator drains it', () => {
    const peers = { taking: 1 };
    const { announcement, changes } = announcementWith(peers);
    announcement.set('starting', false);
    announcement.set('overflowing', true);
    peers.taking = 0;
    announcement.review();
    expect(changes).toEqual(['announced', 'overflowing', 'announced']);
    announcement.set('draining', true);
    expect(announcement.isAnnounced).toBe(false);
  });
});

describe('isolation', () => {
  it('is the loss of several peers at once, to the last', () => {
    const isolation = new Isolation();
    isolation.onPeers(0, [2, 3], []);
    isolation.onPeers(10_000, [3], [2, 3]);
    isolation.onPeers(11_000, [], [3]);
    expect(isolation.isIsolated).toBe(true);
    isolation.onPeers(20_000, [2], []);
    expect(isolation.isIsolated).toBe(false);
  });

  it('is not the loss of one after the other: then this node is the last', () => {
    const isolation = new Isolation();
    isolation.onPeers(0, [2, 3], []);
    isolation.onPeers(10_000, [3], [2, 3]);
    isolation.onPeers(60_000, [], [3]);
    expect(isolation.isIsolated).toBe(false);
  });

  it('cannot be told from the death of an only peer', () => {
    const isolation = new Isolation();
    isolation.onPeers(0, [2], []);
    isolation.onPeers(10_000, [], [2]);
    expect(isolation.isIsolated).toBe(false);
  });
});

describe('the lateness of the event loop', () => {
  it('counts when it lasts, and is forgiven when it has been over for a while', () => {
    const lateness = new Lateness(0, 500);
    let now = 0;
    const look = (gap: number, times: number): void => {
      for (let count = 0; count < times; count++) {
        now += gap;
        lateness.look(now);
      }
    };
    look(1200, 2);
    look(500, 1);
    expect(lateness.isLagging).toBe(false);
    look(1200, 3);
    expect(lateness.isLagging).toBe(true);
    look(500, 19);
    expect(lateness.isLagging).toBe(true);
    look(500, 1);
    expect(lateness.isLagging).toBe(false);
  });

  it('of a frozen process lets everything wait for a moment', () => {
    const watch = new FreezeWatch(0, () => [2, 3]);
    watch.touch(499);
    expect(watch.catchUpMilliseconds(500)).toBe(0);
    watch.touch(5000);
    expect(watch.catchUpMilliseconds(5001)).toBe(149);
    expect(watch.catchUpMilliseconds(5200)).toBe(0);
    expect(watch.freezes).toBe(1);
  });

  it('of a frozen process lets everything wait until the peers are reached again, within bounds', () => {
    let live = [2, 3];
    const watch = new FreezeWatch(0, () => live);
    watch.touch(5000);
    live = [3];
    expect(watch.catchUpMilliseconds(5140)).toBe(150);
    expect(watch.catchUpMilliseconds(5280)).toBe(150);
    live = [2, 3];
    expect(watch.catchUpMilliseconds(5300)).toBe(130);
    expect(watch.catchUpMilliseconds(5430)).toBe(0);
    // A peer that goes down later is another matter.
    live = [];
    expect(watch.catchUpMilliseconds(5440)).toBe(0);
    live = [3];
    watch.touch(9000);
    live = [];
    for (let now = 9100; now < 11_000; now += 100) expect(watch.catchUpMilliseconds(now)).toBeGreaterThan(0);
    expect(watch.catchUpMilliseconds(11_000)).toBe(0);
  });
});

describe('the drops of the kernel', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
    '  12: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 ffff 17',
    '  13: 0100007F:13C5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 ffff 900',
    '',
  ].join('\n');

  it('are read for our ports alone', () => {
    expect(dropsOf(table, new Set([5060]))).toBe(17);
    expect(dropsOf(table, new Set([5060, 5061]))).toBe(917);
    expect(dropsOf('', new Set([5060]))).toBe(0);
  });

  it('count when they go on', () => {
    const overflow = new Overflow();
    for (const drops of [0, 1000, 1000, 1010, 1100]) overflow.look(drops);
    expect(overflow.isOverflowing).toBe(false);
    for (const drops of [1200, 1300]) overflow.look(drops);
    expect(overflow.isOverflowing).toBe(true);
    for (let count = 0; count < 10; count++) overflow.look(1300);
    expect(overflow.isOverflowing).toBe(false);
  });
});

describe('the health endpoint', () => {
  it('says 200 or 503, and why', async () => {
    const state = { isHealthy: true, body: { status: 'announced' } };
    const listener = await HealthListener.listen('127.0.0.1', 0, () => state);
    if (isFailure(listener)) throw new Error(listener.message);
    const url = `http://127.0.0.1:${listener.port}/health`;
    expect((await fetch(url)).status).toBe(200);
    state.isHealthy = false;
    const answer = await fetch(url);
    expect([answer.status, await answer.json()]).toEqual([503, { status: 'announced' }]);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    const second = await HealthListener.listen('127.0.0.1', listener.port, () => state);
    expect(isFailure(second) && second.code).toBe('NET_HEALTH_UNUSABLE');
    listener.close();
  });
});

describe('the commands', () => {
  it('run in order, and one that fails is logged with what it said', async () => {
    const lines: string[] = [];
    const keep = (message: string, fields?: unknown): void => {
      lines.push(`${message} ${JSON.stringify(fields ?? '')}`);
    };
    const log: Logger = { error: keep, warn: keep, info: keep, debug: keep };
    const commands = new HookCommands(log);
    commands.run('announce_command', 'true');
    commands.run('withdraw_command', 'echo no router >&2; exit 3');
    commands.run('announce_command', '');
    await commands.settled();
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain('announce_command: true');
    expect(lines[1]).toContain('withdraw_command failed');
    expect(lines[1]).toContain('no router');
  });
});
