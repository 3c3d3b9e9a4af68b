/**
 * The node's health, put together: what speaks against sending packets here, the HTTP endpoint that says so, the
 * operator's commands that tell the routers, and the word to the peers.
 */

import { readFileSync } from 'node:fs';
import type { Logger } from '#module/host.ts';
import { HealthListener } from '#net/health-listener.ts';
import { Announcement, type WithdrawalReason } from '#server/announcement.ts';
import type { AnyviaNode } from '#server/compose.ts';
import type { HealthConfiguration } from '#server/configuration.ts';
import { HookCommands } from '#server/hook-command.ts';
import { Isolation } from '#server/isolation.ts';
import { Lateness } from '#server/lateness.ts';
import { dropsOf, Overflow } from '#server/overflow.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

export const healthLookMilliseconds = 500;
/** Links come up within this time after a start, or the peers are not there. */
const startMilliseconds = 1500;
/** After this time without a look, the event loop was busy or stood still. */
const lateLookMilliseconds = 1.5 * healthLookMilliseconds;
/** Looks between two readings of the kernel's counters: 2 s. */
const looksPerReading = 4;

export class Health {
  readonly announcement: Announcement;
  readonly #node: AnyviaNode;
  readonly #log: Logger;
  readonly #configuration: HealthConfiguration;
  readonly #commands: HookCommands;
  readonly #isolation = new Isolation();
  readonly #lateness: Lateness;
  readonly #overflow = new Overflow();
  readonly #ports: ReadonlySet<number>;
  readonly #startedAt: number;
  /** Those heard at the last look. */
  #peers: readonly number[] = [];
  #lookedAt: number;
  #looks = 0;
  #listener: HealthListener | null = null;

  constructor(
    node: AnyviaNode,
    configuration: HealthConfiguration,
    { log, ports, now }: { readonly log: Logger; readonly ports: ReadonlySet<number>; readonly now: number },
  ) {
    this.#node = node;
    this.#log = log;
    this.#configuration = configuration;
    this.#commands = new HookCommands(log);
    this.#lateness = new Lateness(now, healthLookMilliseconds);
    this.#ports = ports;
    this.#startedAt = now;
    this.#lookedAt = now;
    this.announcement = new Announcement({
      takingPeers: () => node.cluster?.takingPeers().length ?? 0,
      onChange: (isAnnounced, reasons) => this.#onChange(isAnnounced, reasons),
    });
    node.statistics.gauge('core', 'announced', () => (this.announcement.isAnnounced ? 1 : 0));
    node.statistics.gauge('core', 'event_loop_lag_ms', () => Math.round(this.#lateness.milliseconds));
  }

  async listen(): Promise<Failure | null> {
    const { address, port } = this.#configuration;
    if (address === '') return null;
    const listener = await HealthListener.listen(address, port, () => this.state());
    if (isFailure(listener)) return listener;
    this.#listener = listener;
    this.#log.info(`health on http://${bracketed(address)}:${listener.port}/`);
    return null;
  }

  state(): { readonly isHealthy: boolean; readonly body: unknown } {
    const { isAnnounced, reasons } = this.announcement;
    const status = isAnnounced ? 'announced' : 'withdrawn';
    return { isHealthy: isAnnounced, body: { status, reasons, node_id: this.#node.identity.nodeId } };
  }

  /** Every `healthLookMilliseconds`. */
  look(now: number): void {
    // A look that is late itself comes before what the peers sent meanwhile has been read.
    if (now - this.#lookedAt < lateLookMilliseconds) this.#lookAtPeers(now);
    this.#lookedAt = now;
    this.#lateness.look(now);
    if (++this.#looks % looksPerReading === 0) this.#overflow.look(this.#readDrops());
    const { announcement } = this;
    announcement.set('isolated', this.#isolation.isIsolated);
    announcement.set('lagging', this.#lateness.isLagging);
    announcement.set('overflowing', this.#overflow.isOverflowing);
    if (announcement.reasons.includes('starting') && this.#hasStarted(now))
      announcement.set('starting', false);
  }

  #lookAtPeers(now: number): void {
    const heard = this.#node.cluster?.heardPeers(now) ?? [];
    this.#isolation.onPeers(now, heard, this.#peers);
    this.#peers = heard;
  }

  /** Resolves when the routers have been told, as far as the commands can do it. */
  settled(): Promise<void> {
    return this.#commands.settled();
  }

  close(): void {
    this.#listener?.close();
  }

  #hasStarted(now: number): boolean {
    const { cluster } = this.#node;
    if (cluster === null || now - this.#startedAt >= startMilliseconds) return true;
    const expected = cluster.peers().filter((peer) => peer.state !== 'disabled').length;
    return cluster.livePeers().length >= expected;
  }

  #onChange(isAnnounced: boolean, reasons: readonly WithdrawalReason[]): void {
    const { announceCommand, withdrawCommand } = this.#configuration;
    this.#node.cluster?.setDraining(!isAnnounced);
    if (isAnnounced) {
      this.#log.info('announced: routers may send packets here');
      this.#commands.run('announce_command', announceCommand);
    } else {
      this.#log.warn(`withdrawn: ${reasons.join(', ')}`);
      this.#commands.run('withdraw_command', withdrawCommand);
    }
  }

  /** The kernel's counters; where there are none, nothing is dropped. */
  #readDrops(): number {
    let sum = 0;
    for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
      try {
        sum += dropsOf(readFileSync(file, 'latin1'), this.#ports);
      } catch {
        // No such file: another system, or no IPv6.
      }
    }
    return sum;
  }
}
