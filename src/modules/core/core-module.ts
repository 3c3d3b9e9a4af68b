/** What the core keeps on one node: log threshold, flag names, the local cache, numbers of messages. */

import type { ModuleHost } from '#module/host.ts';
import { processView } from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { FlagNames } from '#modules/core/flag-names.ts';
import { LocalCache } from '#modules/core/local-cache.ts';
import { defaultLevel, levelOf } from '#modules/core/log-level.ts';
import type { SipMessage } from '#sip/message.ts';

export class CoreModule {
  readonly host: ModuleHost;
  readonly flags: FlagNames;
  readonly cache = new LocalCache();
  readonly forwardedRequests: Counter;
  readonly forwardedReplies: Counter;
  /** ms since 1970 */
  readonly startedAt: number;
  /** Level of an `xlog` that names none. */
  readonly printLevel: number;
  /** What the script set by `$xlog_level` or `xlog_level=`; null: follows the log level. */
  #xlogLevel: number | null;
  #logLevel: number;
  #messageCount = 0;
  readonly #messageIds = new WeakMap<SipMessage, number>();

  constructor(host: ModuleHost) {
    this.host = host;
    this.flags = new FlagNames(host);
    this.forwardedRequests = host.statistics.counter('core', 'fwd_requests');
    this.forwardedReplies = host.statistics.counter('core', 'fwd_replies');
    this.startedAt = host.clock.wall();
    this.printLevel =
      this.#globalLevel('xlog_print_level') ?? this.#globalLevel('xlog_default_level') ?? defaultLevel;
    this.#xlogLevel = this.#globalLevel('xlog_level');
    this.#logLevel = this.#globalLevel('log_level') ?? defaultLevel;
  }

  get logLevel(): number {
    return this.host.optionalService(processView)?.logLevel() ?? this.#logLevel;
  }

  set logLevel(level: number) {
    this.#logLevel = level;
    this.host.optionalService(processView)?.setLogLevel(level);
  }

  /** An xlog above this level is not written. */
  get xlogLevel(): number {
    return this.#xlogLevel ?? this.logLevel;
  }

  set xlogLevel(level: number | null) {
    this.#xlogLevel = level;
  }

  /** `$mi`: counts the messages that a script asked about. */
  messageId(message: SipMessage): number {
    const known = this.#messageIds.get(message);
    if (known !== undefined) return known;
    this.#messageCount++;
    this.#messageIds.set(message, this.#messageCount);
    return this.#messageCount;
  }

  #globalLevel(name: string): number | null {
    const value = this.host.globalParameter(name);
    return value === null ? null : levelOf(value);
  }
}
