/** The DNS as a process has it: servers, /etc/hosts, what is remembered, and the figures of all that. */

import type { Statistics } from '#module/statistics.ts';
import { HostFile } from '#net/host-file.ts';
import { NameCache } from '#net/name-cache.ts';
import { DnsClient } from '#net/name-client.ts';
import { systemClock } from '#net/system-clock.ts';
import type { NameConfiguration } from '#server/configuration.ts';

export class ProcessNames {
  readonly cache: NameCache;
  readonly #client: DnsClient;

  /** `afterAnswer` runs when an answer has been dealt with. */
  constructor(settings: NameConfiguration, afterAnswer: () => void) {
    const now = (): number => systemClock.monotonic();
    this.#client = new DnsClient(settings, new HostFile(now), afterAnswer);
    this.cache = new NameCache(this.#client, now);
  }

  show(statistics: Statistics): void {
    const { cache } = this;
    for (const name of Object.keys(cache.counters) as (keyof NameCache['counters'])[])
      statistics.gauge('dns', name, () => cache.counters[name]);
    statistics.gauge('dns', 'waiting', () => cache.waiting);
    statistics.gauge('dns', 'remembered', () => cache.size);
  }

  close(): void {
    this.#client.close();
  }
}
