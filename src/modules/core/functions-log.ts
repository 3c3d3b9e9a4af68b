/** What a script writes: xlog, xdbg, log, pv_printf, avp_print. */

import type { MessageContext } from '#module/context.ts';
import { everyRoute, type FunctionDeclaration, type VariableReference } from '#module/define.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { debugLevel, levelOf, writeLog } from '#modules/core/log-level.ts';

type Declaration = FunctionDeclaration<CoreModule>;

function print(core: CoreModule, level: number, text: string): number {
  if (level <= core.xlogLevel) writeLog(core.host.log, level, text.endsWith('\n') ? text.slice(0, -1) : text);
  return 1;
}

/** One argument is the text, two are level and text. A level that is none is worth a warning, not a dead script. */
function printWithLevel(core: CoreModule, first: string | null, second: string | null): number {
  if (second === null) {
    if (core.printLevel > core.xlogLevel) return 1;
    return print(core, core.printLevel, first ?? '<null>');
  }
  const level = levelOf(first ?? '');
  if (level === null)
    core.host.log.warn(`xlog: "${first}" is no level (L_ERR, L_WARN, L_NOTICE, L_INFO, L_DBG)`);
  return print(core, level ?? core.printLevel, second);
}

function logFunction(name: string): Declaration {
  return {
    name,
    routes: everyRoute,
    arguments: [
      { name: 'level_or_text', kind: 'string' },
      { name: 'text', kind: 'string', optional: true },
    ],
    help: 'Writes text to the log, at the level named first (L_NOTICE unless named), if xlog_level lets it through.',
    call: (core, _context, first: string | null, second: string | null) =>
      printWithLevel(core, first, second),
  };
}

function printAttributes(core: CoreModule, context: MessageContext): number {
  for (const [name, values] of context.attributes) {
    for (const value of values)
      core.host.log.info(`avp ${name} = ${value === null ? '<null>' : String(value)}`);
  }
  return 1;
}

export const logFunctions: readonly Declaration[] = [
  logFunction('xlog'),
  logFunction('log'),
  {
    name: 'xdbg',
    routes: everyRoute,
    arguments: [{ name: 'text', kind: 'string' }],
    help: 'Writes text to the log at debug level.',
    call: (core, _context, text: string | null) => print(core, debugLevel, text ?? '<null>'),
  },
  {
    name: 'pv_printf',
    routes: everyRoute,
    arguments: [
      { name: 'variable', kind: 'variable' },
      { name: 'text', kind: 'string' },
    ],
    help: 'Stores a text with its variables expanded.',
    call: (_core, context, variable: VariableReference, text: string | null) => {
      variable.write(context, text);
      return 1;
    },
  },
  {
    name: 'avp_print',
    routes: everyRoute,
    arguments: [],
    help: 'Writes all AVPs to the log.',
    call: (core, context) => printAttributes(core, context),
  },
  {
    name: 'get_timestamp',
    routes: everyRoute,
    arguments: [
      { name: 'seconds', kind: 'variable' },
      { name: 'microseconds', kind: 'variable' },
    ],
    help: 'Stores the time: seconds since 1970 and microseconds of the second.',
    call: (core, context, seconds: VariableReference, microseconds: VariableReference) => {
      const now = core.host.clock.wall();
      seconds.write(context, Math.floor(now / 1000));
      microseconds.write(context, (now % 1000) * 1000);
      return 1;
    },
  },
];
