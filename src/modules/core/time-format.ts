/** strftime in the C locale and local time, for `$time(…)` and dates in logs. */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const dayMilliseconds = 86_400_000;

function two(value: number, fill = '0'): string {
  return String(value).padStart(2, fill);
}

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1);
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((day - start) / dayMilliseconds) + 1;
}

/** Full weeks since the first Sunday (0) or Monday (1) of the year. */
function weekOfYear(date: Date, firstDay: 0 | 1): number {
  const weekday = (date.getDay() - firstDay + 7) % 7;
  return Math.floor((dayOfYear(date) - 1 + 7 - weekday) / 7);
}

function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

const conversions: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => days[date.getDay()]!.slice(0, 3),
  A: (date) => days[date.getDay()]!,
  b: (date) => months[date.getMonth()]!.slice(0, 3),
  h: (date) => months[date.getMonth()]!.slice(0, 3),
  B: (date) => months[date.getMonth()]!,
  c: (date) => formatTime('%a %b %e %H:%M:%S %Y', date),
  C: (date) => two(Math.floor(date.getFullYear() / 100)),
  d: (date) => two(date.getDate()),
  D: (date) => formatTime('%m/%d/%y', date),
  e: (date) => two(date.getDate(), ' '),
  F: (date) => formatTime('%Y-%m-%d', date),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  m: (date) => two(date.getMonth() + 1),
  M: (date) => two(date.getMinutes()),
  n: () => '\n',
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  r: (date) => formatTime('%I:%M:%S %p', date),
  R: (date) => formatTime('%H:%M', date),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  S: (date) => two(date.getSeconds()),
  t: () => '\t',
  T: (date) => formatTime('%H:%M:%S', date),
  u: (date) => String(date.getDay() || 7),
  U: (date) => two(weekOfYear(date, 0)),
  w: (date) => String(date.getDay()),
  W: (date) => two(weekOfYear(date, 1)),
  x: (date) => formatTime('%m/%d/%y', date),
  X: (date) => formatTime('%H:%M:%S', date),
  y: (date) => two(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  z: zone,
  '%': () => '%',
};

/** Conversions that do not exist stay as they are. */
export function formatTime(format: string, date: Date): string {
  return format.replace(/%(.)/g, (text, letter: string) => conversions[letter]?.(date) ?? text);
}
