/** The module `pike`: tells the script which sources send too many requests. */

import { MessageContext } from '#module/context.ts';
import { defineModule, type ParameterDeclaration, type ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { Counter } from '#module/statistics.ts';
import { SourceTree } from '#modules/pike/source-tree.ts';
import { Failure } from '#util/failure.ts';
import { parseIp } from '#util/ip-address.ts';

const blockedEvent = 'E_PIKE_BLOCKED';

/** OpenSIPS's codes. */
const codes = { free: 1, blocked: -1, detected: -2 } as const;

/** Lines in one answer of pike:list; more are counted. */
const listedMax = 10_000;

class Pike {
  readonly #host: ModuleHost;
  readonly #tree: SourceTree;
  readonly #blockedRequests: Counter;
  readonly #detected: Counter;

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.#host = host;
    const unit = Number(parameters.sampling_time_unit) * 1000;
    this.#tree = new SourceTree(
      Number(parameters.reqs_density_per_unit),
      Number(parameters.remove_latency) * 1000,
    );
    this.#blockedRequests = host.statistics.counter('pike', 'blocked_requests');
    this.#detected = host.statistics.counter('pike', 'detected_sources');
    host.statistics.gauge('pike', 'blocked_sources', () => this.#tree.blocked);
    host.statistics.gauge('pike', 'tracked_networks', () => this.#tree.size);
    host.statistics.gauge('pike', 'uncounted_requests', () => this.#tree.uncounted);
    host.every(unit, (now) => {
      for (const address of this.#tree.turn(now)) host.log.info(`pike: ${address} is not blocked any more`);
    });
  }

  check(context: MessageContext): number {
    const { source } = context;
    const address = parseIp(source.address);
    if (address === null) return codes.free;
    const verdict = this.#tree.count(address, this.#host.clock.monotonic());
    if (verdict === 'free') return codes.free;
    this.#blockedRequests.value++;
    if (verdict === 'detected') this.#tell(context);
    return codes[verdict];
  }

  free(text: unknown): unknown {
    const address = parseIp(String(text));
    if (address === null) return new Failure('400', `${String(text)} is no IP address`);
    return this.#tree.free(address) ? 'OK' : new Failure('404', `${String(text)} is not blocked`);
  }

  list(): unknown {
    const entries = [...this.#tree.list()];
    return {
      blocked: this.#tree.blocked,
      sources: entries.length,
      IPs: entries
        .sort((a, b) => Number(b.isBlocked) - Number(a.isBlocked) || b.current - a.current)
        .slice(0, listedMax)
        .map(({ address, current, previous, isBlocked }) => ({
          IP: address,
          current,
          previous,
          status: isBlocked ? 'BLOCKED' : 'free',
        })),
    };
  }

  #tell(context: MessageContext): void {
    const { address } = context.source;
    this.#detected.value++;
    this.#host.log.warn(`pike: ${address} sends too many requests and is blocked`);
    if (!this.#host.hasRoute('event', blockedEvent)) return;
    const event = new MessageContext(context.message, context.source, 'event');
    event.eventParameters = new Map([['ip', address]]);
    this.#host.runRoute('event', blockedEvent, event);
  }
}

const number = (name: string, value: number, help: string): ParameterDeclaration => ({
  name,
  kind: 'integer',
  default: value,
  help,
});
const ignored = (name: string, kind: 'integer' | 'string', help: string): ParameterDeclaration => ({
  name,
  kind,
  default: null,
  ignored: help,
  help,
});

export const pike = defineModule<Pike>({
  name: 'pike',
  help: 'Tells the script which source addresses send too many requests. Raises E_PIKE_BLOCKED with `ip`.',
  parameters: [
    number('sampling_time_unit', 2, 'Seconds of a unit of time.'),
    number('reqs_density_per_unit', 30, 'Requests that a source may send in a unit.'),
    number('remove_latency', 120, 'Seconds for which a source that sends nothing is remembered.'),
    ignored('check_route', 'string', 'call pike_check_req() at the head of the main route'),
    ignored('pike_log_level', 'integer', 'a block is a warning, its end an information'),
  ],
  functions: [
    {
      name: 'pike_check_req',
      routes: ['request'],
      arguments: [],
      help: 'Counts the request: 1 its source may go on, -1 it is blocked, -2 it is blocked from now on.',
      call: (module, context) => module.check(context),
    },
  ],
  commands: [
    {
      name: 'pike:list',
      aliases: ['pike_list'],
      parameters: [],
      help: 'Busy sources with their requests in this unit and the last one; blocked ones first.',
      run: (module) => module.list(),
    },
    {
      name: 'pike:rm',
      aliases: ['pike_rm'],
      parameters: ['IP'],
      help: 'Frees a blocked source at once.',
      run: (module, { IP }) => module.free(IP),
    },
  ],
  statistics: [
    'blocked_requests',
    'detected_sources',
    'blocked_sources',
    'tracked_networks',
    'uncounted_requests',
  ],
  create: (host, values) => {
    for (const name of ['sampling_time_unit', 'reqs_density_per_unit']) {
      if (Number(values[name]) < 1)
        return new Failure('MODULE_PARAMETER_INVALID', `${name} must be 1 or more`);
    }
    return new Pike(host, values);
  },
});
