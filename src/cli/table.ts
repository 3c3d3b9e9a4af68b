/** Text for people: aligned columns, and any JSON value as lines and tables. Pure. */

export type Cell = string | number;

const gap = '  ';

/** Columns as wide as their widest cell, numbers to the right. No rows: the empty string. */
export function formatTable(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (rows.length === 0) return '';
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => String(row[column] ?? '').length)),
  );
  const numeric = headings.map((_, column) =>
    rows.every((row) => row[column] === '' || typeof row[column] === 'number'),
  );
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, column) => {
        const text = String(cell);
        return numeric[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
      })
      .join(gap)
      .trimEnd();
  return [headings, ...rows].map((cells) => `${line(cells)}\n`).join('');
}

/** Name and value, without headings. */
export function formatPairs(pairs: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}${gap}${value}\n`).join('');
}

/** Objects as rows; the columns are the keys that hold plain values, in the order of their first mention. */
export function formatObjects(objects: readonly Readonly<Record<string, unknown>>[]): string {
  const keys = [...new Set(objects.flatMap((object) => Object.keys(object)))];
  const plain = keys.filter((key) => objects.every((object) => isPlain(object[key])));
  return formatTable(
    plain,
    objects.map((object) => plain.map((key) => cellOf(object[key]))),
  );
}

/** Any JSON value: plain members as pairs, lists of objects as tables, the rest below headings. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return formatList(value);
  if (!isObject(value)) return `${cellOf(value)}\n`;
  const entries = Object.entries(value);
  const plain = entries.filter(([, member]) => isPlain(member));
  const nested = entries.filter(([, member]) => !isPlain(member));
  const head = formatPairs(plain.map(([name, member]) => [name, cellOf(member)]));
  const sections = nested.map(([name, member]) => `${name}:\n${indent(formatValue(member))}`);
  return [head, ...sections].filter((part) => part !== '').join('\n');
}

function formatList(values: readonly unknown[]): string {
  if (values.length === 0) return '(none)\n';
  const objects = values.filter(isObject);
  if (objects.length < values.length) return values.map((value) => `${cellOf(value)}\n`).join('');
  // A table cannot show lists inside rows: those come one by one.
  const flat = objects.every((object) => Object.values(object).every(isPlain));
  return flat ? formatObjects(objects) : objects.map(formatValue).join('\n');
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, gap);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

/** What stands in one cell; nothing for what is absent. Control characters must not reach a terminal. */
export function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return value;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
