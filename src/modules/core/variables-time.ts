/** Time, process, colours and log levels. */

import { levelOf } from '#modules/core/log-level.ts';
import { formatTime } from '#modules/core/time-format.ts';
import { plain, type Variable, writable } from '#modules/core/variable-declaration.ts';

/** ANSI foreground codes by OpenSIPS's letters: x default, s black, r red, g green, y yellow, b blue, p magenta, c cyan, w white. */
const colours: Readonly<Record<string, number>> = { s: 0, r: 1, g: 2, y: 3, b: 4, p: 5, c: 6, w: 7, x: 9 };

function colourEscape(letters: string | null): string | null {
  if (letters === null || letters.length !== 2) return null;
  const foreground = colours[letters[0]!.toLowerCase()];
  const background = colours[letters[1]!.toLowerCase()];
  if (foreground === undefined || background === undefined) return null;
  const bold = letters[0] !== letters[0]!.toLowerCase() ? '1;' : '';
  return `\u001b[${bold}3${foreground};4${background}m`;
}

/** The names that `ctime` gives: seconds and years as numbers. */
const calendarFields: Readonly<Record<string, (date: Date) => number>> = {
  sec: (date) => date.getSeconds(),
  min: (date) => date.getMinutes(),
  hour: (date) => date.getHours(),
  mday: (date) => date.getDate(),
  mon: (date) => date.getMonth() + 1,
  year: (date) => date.getFullYear(),
  wday: (date) => date.getDay() + 1,
  yday: (date) => Number(formatTime('%j', date)),
  isdst: (date) =>
    date.getTimezoneOffset() < new Date(date.getFullYear(), 0, 1).getTimezoneOffset() ? 1 : 0,
};

export const timeVariables: readonly Variable[] = [
  plain(['Ts'], 'Seconds since 1970.', (_context, core) => Math.floor(core.host.clock.wall() / 1000)),
  plain(
    ['Tsm'],
    'Microseconds of the current second.',
    (_context, core) => (core.host.clock.wall() % 1000) * 1000,
  ),
  plain(['Tf'], 'Date and time, "Mon Jan  2 15:04:05 2026".', (_context, core) =>
    formatTime('%a %b %e %H:%M:%S %Y', new Date(core.host.clock.wall())),
  ),
  plain(['TS'], 'When this node started, seconds since 1970.', (_context, core) =>
    Math.floor(core.startedAt / 1000),
  ),
  {
    names: ['time'],
    inner: 'optional',
    help: 'The time in the given format of strftime.',
    read: (core, _context, format) => formatTime(format ?? '%c', new Date(core.host.clock.wall())),
  },
  {
    names: ['ctime'],
    inner: 'optional',
    help: 'The time as text, or its field: sec, min, hour, mday, mon, year, wday, yday, isdst.',
    read: (core, _context, field) => {
      const date = new Date(core.host.clock.wall());
      if (field === null) return formatTime('%a %b %e %H:%M:%S %Y', date);
      return calendarFields[field]?.(date) ?? null;
    },
  },
  plain(['pp'], 'Process id.', () => process.pid),
  {
    names: ['argv'],
    inner: 'required',
    help: 'Argument n of the program.',
    read: (_core, _context, index) => process.argv[Number(index)] ?? null,
  },
  {
    names: ['C'],
    inner: 'required',
    help: 'Terminal colours: two letters, foreground and background.',
    read: (_core, _context, letters) => colourEscape(letters),
  },
  writable(
    ['log_level'],
    'Level up to which the program writes its log.',
    (_context, core) => core.logLevel,
    (_context, value, core) => {
      const level = value === null ? null : levelOf(value);
      if (level !== null) core.logLevel = level;
    },
  ),
  writable(
    ['xlog_level'],
    'Level up to which xlog writes.',
    (_context, core) => core.xlogLevel,
    (_context, value, core) => {
      core.xlogLevel = value === null ? null : levelOf(value);
    },
  ),
];
