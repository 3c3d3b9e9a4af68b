/** Management methods that need no module: the process, the log level, the methods themselves, statistics. */

import type { CommandDeclaration } from '#module/define.ts';
import { commandDirectory, connectionService, nameService, processView } from '#module/services.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { levelOf } from '#modules/core/log-level.ts';
import { formatTime } from '#modules/core/time-format.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';

type Declaration = CommandDeclaration<CoreModule>;

const dateFormat = '%a %b %e %H:%M:%S %Y';

function uptime(core: CoreModule): unknown {
  const now = core.host.clock.wall();
  return {
    Now: formatTime(dateFormat, new Date(now)),
    'Up since': formatTime(dateFormat, new Date(core.startedAt)),
    'Up time': `${Math.floor((now - core.startedAt) / 1000)} [sec]`,
  };
}

function version(core: CoreModule): unknown {
  const number = core.host.optionalService(processView)?.version ?? '';
  return { Server: `anyvia (${number === '' ? '' : `${number} `}(${process.arch}/${process.platform}))` };
}

function processes(core: CoreModule): readonly { ID: number; PID: number; Type: string }[] {
  return core.host.optionalService(processView)?.list() ?? [{ ID: 0, PID: process.pid, Type: 'anyvia' }];
}

function logLevel(core: CoreModule, value: unknown): unknown {
  if (value === undefined) {
    return { Processes: processes(core).map(({ PID, Type }) => ({ PID, 'Log level': core.logLevel, Type })) };
  }
  const level = typeof value === 'number' || typeof value === 'string' ? levelOf(value) : null;
  if (level === null || level < -3 || level > 4 || level === 0) {
    return new Failure('CORE_LOG_LEVEL_INVALID', `"${String(value)}" is no log level: -3…-1 errors, 1…4`);
  }
  core.logLevel = level;
  return { 'Log level': level };
}

function which(core: CoreModule, command: unknown): unknown {
  const directory = core.host.optionalService(commandDirectory);
  if (directory === null) return [];
  if (command === undefined) return directory.names();
  const found = directory.help(String(command));
  return found === null ? unknownCommand(command) : [found.parameters];
}

function help(core: CoreModule, command: unknown): unknown {
  const found = core.host.optionalService(commandDirectory)?.help(String(command)) ?? null;
  return found === null ? unknownCommand(command) : { Help: found.help, Parameters: found.parameters };
}

function unknownCommand(command: unknown): Failure {
  return new Failure('404', `no method "${String(command)}"`);
}

/** An array of selectors; a single one may stand alone. */
function selectors(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  return value === undefined || value === null ? [] : [String(value)];
}

function listStatistics(core: CoreModule, value: unknown): unknown {
  const wanted = value === undefined ? ['all'] : selectors(value);
  const { statistics } = core.host;
  return Object.fromEntries(
    Object.keys(statistics.read(wanted)).map((key) => [
      key,
      statistics.isGauge(key) ? 'non-incremental' : 'incremental',
    ]),
  );
}

const processCommands: readonly Declaration[] = [
  {
    name: 'core:uptime',
    aliases: ['uptime'],
    parameters: [],
    help: 'Since when this node runs.',
    run: uptime,
  },
  {
    name: 'core:version',
    aliases: ['version'],
    parameters: [],
    help: 'Which program this is.',
    run: version,
  },
  {
    name: 'core:ps',
    aliases: ['ps'],
    parameters: [],
    help: 'Processes of this node.',
    run: (core) => ({ Processes: processes(core) }),
  },
  {
    name: 'core:pwd',
    aliases: ['pwd'],
    parameters: [],
    help: 'Working directory.',
    run: () => ({ WD: process.cwd() }),
  },
  {
    name: 'core:arg',
    aliases: ['arg'],
    parameters: [],
    help: 'Arguments of the program.',
    run: () => ({ Arg: process.argv }),
  },
  {
    name: 'core:log_level',
    aliases: ['log_level'],
    parameters: ['level?', 'pid?'],
    help: 'Shows or sets the log level: -1 errors, 1 warnings, 2 notices, 3 information, 4 everything.',
    run: (core, { level }) => logLevel(core, level),
  },
  {
    name: 'core:xlog_level',
    aliases: ['xlog_level'],
    parameters: ['level?'],
    help: 'Shows or sets the level up to which xlog writes.',
    run: (core, { level }) => {
      if (level !== undefined) core.xlogLevel = levelOf(level as string | number);
      return { 'xLog Level': core.xlogLevel };
    },
  },
  {
    name: 'core:which',
    aliases: ['which'],
    parameters: ['command?'],
    help: 'Names of all management methods, or the parameters of one.',
    run: (core, { command }) => which(core, command),
  },
  {
    name: 'core:help',
    aliases: ['help'],
    parameters: ['mi_cmd'],
    help: 'What a management method does.',
    run: (core, parameters) => help(core, parameters.mi_cmd),
  },
];

function resolveUri(core: CoreModule, uri: string): Promise<unknown> {
  return new Promise((done) => {
    core.host.resolve(uri, null, (flow, others) => {
      if (isFailure(flow)) done(new Failure('404', flow.message));
      else done({ Places: [flow, ...others].map(placeText) });
    });
  });
}

function placeText({ socket, address, port }: Flow): string {
  return `${socket.protocol}:${bracketed(address)}:${port}`;
}

const statisticCommands: readonly Declaration[] = [
  {
    name: 'tcp:list',
    aliases: ['list_tcp_conns'],
    parameters: [],
    help: 'The connections over TCP that there are.',
    run: (core) => ({ Connections: core.host.optionalService(connectionService)?.list() ?? [] }),
  },
  {
    name: 'dns:cache',
    aliases: ['dns_cache'],
    parameters: [],
    help: 'What is remembered of the DNS: names, answers, and the seconds that they are good for.',
    run: (core) => ({ Names: core.host.optionalService(nameService)?.list() ?? [] }),
  },
  {
    name: 'dns:flush',
    aliases: ['dns_cache_flush'],
    parameters: [],
    help: 'Forgets what is remembered of the DNS.',
    run: (core) => ({ Forgotten: core.host.optionalService(nameService)?.flush() ?? 0 }),
  },
  {
    name: 'dns:resolve',
    aliases: ['dns_resolve'],
    parameters: ['uri'],
    help: 'Where a request to this URI would go, first place first.',
    run: (core, { uri }) => resolveUri(core, String(uri)),
  },
  {
    name: 'statistics:get',
    aliases: ['get_statistics'],
    parameters: ['statistics'],
    help: 'Values of statistics: "all", "group:", "name" or "group:name", several as an array.',
    run: (core, { statistics }) => core.host.statistics.read(selectors(statistics)),
  },
  {
    name: 'statistics:list',
    aliases: ['list_statistics'],
    parameters: ['statistics?'],
    help: 'Names of statistics, and whether they count or show a state.',
    run: (core, { statistics }) => listStatistics(core, statistics),
  },
  {
    name: 'statistics:reset',
    aliases: ['reset_statistics'],
    parameters: ['statistics'],
    help: 'Sets counters back to 0.',
    run: (core, { statistics }) => {
      const count = core.host.statistics.reset(selectors(statistics));
      return count > 0 ? 'OK' : new Failure('404', 'Statistics Not Found');
    },
  },
  {
    name: 'statistics:reset_all',
    aliases: ['reset_all_statistics'],
    parameters: [],
    help: 'Sets all counters back to 0.',
    run: (core) => {
      core.host.statistics.reset(['all']);
      return 'OK';
    },
  },
];

const cacheCommands: readonly Declaration[] = [
  {
    name: 'cache:store',
    aliases: ['cache_store'],
    parameters: ['system', 'attr', 'value', 'expire?'],
    help: 'Keeps a value in the cache.',
    run: (core, { system, attr, value, expire }) => {
      const now = core.host.clock.monotonic();
      core.cache.store(now, `${String(system)}\n${String(attr)}`, String(value), Number(expire ?? 0));
      return 'OK';
    },
  },
  {
    name: 'cache:fetch',
    aliases: ['cache_fetch'],
    parameters: ['system', 'attr'],
    help: 'The value of a key in the cache.',
    run: (core, { system, attr }) => {
      const value = core.cache.fetch(core.host.clock.monotonic(), `${String(system)}\n${String(attr)}`);
      return value === null ? new Failure('404', 'Value not found') : { key: attr, value };
    },
  },
  {
    name: 'cache:remove',
    aliases: ['cache_remove'],
    parameters: ['system', 'attr'],
    help: 'Removes a key from the cache.',
    run: (core, { system, attr }) => {
      core.cache.remove(`${String(system)}\n${String(attr)}`);
      return 'OK';
    },
  },
];

export const coreCommands: readonly Declaration[] = [
  ...processCommands,
  ...statisticCommands,
  ...cacheCommands,
];
