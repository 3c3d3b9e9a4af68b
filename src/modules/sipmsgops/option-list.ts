/** Headers that are comma lists of option tags (Supported, Require, Allow…). */

import type { MessageContext } from '#module/context.ts';

interface ListLine {
  readonly line: number;
  readonly options: readonly string[];
}

function readLines(context: MessageContext, name: string): ListLine[] {
  const { message } = context;
  const lines: ListLine[] = [];
  for (let line = message.findNamed(name); line !== -1; line = message.findNamed(name, line + 1)) {
    const options = message.value(line).split(',');
    lines.push({ line, options: options.map((option) => option.trim()).filter((option) => option !== '') });
  }
  return lines;
}

function equal(first: string, second: string): boolean {
  return first.toLowerCase() === second.toLowerCase();
}

export function hasOption(context: MessageContext, name: string, option: string): boolean {
  return readLines(context, name).some(({ options }) => options.some((present) => equal(present, option)));
}

/** False when there is no such header. An option that is there already is not added again. */
export function addOption(context: MessageContext, name: string, option: string): boolean {
  const [first] = readLines(context, name);
  if (first === undefined) return false;
  if (hasOption(context, name, option)) return true;
  const separator = first.options.length === 0 ? '' : ', ';
  context.edits.insert(context.message.valueEnd(first.line), separator + option);
  return true;
}

/** False when it is not there. A header without options left is removed. */
export function removeOption(context: MessageContext, name: string, option: string): boolean {
  const { message, edits } = context;
  const wanted = readLines(context, name).filter(({ options }) =>
    options.some((present) => equal(present, option)),
  );
  for (const { line, options } of wanted) {
    const left = options.filter((present) => !equal(present, option));
    if (left.length === 0) edits.remove(message.lineStart(line), message.lineEnd(line));
    else edits.replace(message.valueStart(line), message.valueEnd(line), left.join(', '));
  }
  return wanted.length > 0;
}
