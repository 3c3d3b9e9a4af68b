/** `$name(inner)[index]{transformation}…` and strings that hold such variables, compiled to readers and writers. */

import { builtinVariables } from '#script/builtin-variables.ts';
import type { Compilation, Reader } from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type { Found, Index, ScriptFrame, VariableShape } from '#script/environment.ts';
import { balancedEnd, type Token, variableEnd } from '#script/scanner.ts';
import type { Value } from '#script/value.ts';

export interface VariableAccess {
  readonly read: Reader;
  /** Null: read-only. */
  readonly write: ((frame: ScriptFrame, value: Value, replace: boolean) => void) | null;
  readonly readAll: (frame: ScriptFrame) => readonly Value[];
}

interface VariableText {
  readonly name: string;
  readonly inner: string | null;
  readonly index: string | null;
  readonly transformations: readonly string[];
}

const nothing: VariableAccess = { read: () => null, write: null, readAll: () => [] };

/** Compiles `text` (with its `$`); complaints point at `token`. */
export function compileVariable(compilation: Compilation, token: Token, text: string): VariableAccess {
  const parts = splitVariable(text);
  if (parts === null) {
    compilation.complain(token, `"${text}" is no variable`);
    return nothing;
  }
  const found = findVariable(compilation, parts.name);
  if (found === null) {
    complainUnknown(compilation, token, parts.name);
    return nothing;
  }
  const { shape, holder } = found;
  if (parts.inner === null && shape.inner === 'required') {
    compilation.complain(token, `$${parts.name} needs a name in parentheses`);
    return nothing;
  }
  const inner = parts.inner === null ? null : innerReader(compilation, token, parts.inner);
  const index = indexReader(compilation, token, parts.index);
  const plain: Reader = plainReader(shape, holder, inner, index);
  const read = applyTransformations(compilation, token, plain, parts.transformations);
  const innerOf = (frame: ScriptFrame): string | null => (inner === null ? null : inner(frame));
  const { write, readAll } = shape;
  return {
    read,
    write:
      write === undefined || parts.transformations.length > 0
        ? null
        : (frame, value, replace) =>
            write(holder.instance, frame, value, innerOf(frame), index(frame), replace),
    readAll:
      readAll === undefined
        ? (frame) => [read(frame)].filter((value) => value !== null)
        : (frame) => readAll(holder.instance, frame, innerOf(frame)),
  };
}

function plainReader(
  shape: VariableShape,
  holder: { instance: unknown },
  inner: ((frame: ScriptFrame) => string) | null,
  index: (frame: ScriptFrame) => Index,
): Reader {
  const { read } = shape;
  if (inner === null && index === noIndex) return (frame) => read(holder.instance, frame, null, null);
  if (inner === null) return (frame) => read(holder.instance, frame, null, index(frame));
  return (frame) => read(holder.instance, frame, inner(frame), index(frame));
}

function findVariable(compilation: Compilation, name: string): Found<VariableShape> | null {
  const builtin = builtinVariables[name];
  if (builtin !== undefined) return { shape: builtin, holder: { instance: null } };
  return compilation.environment.findVariable(name);
}

function complainUnknown(compilation: Compilation, token: Token, name: string): void {
  const owner = compilation.environment.unloadedOwner('variable', name);
  if (owner !== null) {
    compilation.complain(token, `$${name} needs loadmodule "${owner}.so"`);
    return;
  }
  const known = [...compilation.environment.names('variable'), ...Object.keys(builtinVariables)];
  compilation.complain(token, `unknown variable $${name}${suggestion(name, known)}`);
}

/** Null when the text cannot be taken apart. */
function splitVariable(text: string): VariableText | null {
  const isWrapped = text.charAt(1) === '(' && text.endsWith(')');
  let rest = isWrapped ? text.slice(2, -1).trim() : text.slice(1);
  // $(<request>ru): the other message of a transaction; the context knows it by itself.
  rest = rest.replace(/^<(request|reply)>/, '');
  const name = /^[A-Za-z_][A-Za-z0-9_.]*/.exec(rest)?.[0] ?? '';
  if (name === '') return null;
  rest = rest.slice(name.length);
  let inner: string | null = null;
  if (rest.startsWith('(')) {
    const end = balancedEnd(rest, 0);
    inner = rest.slice(1, end - 1);
    rest = rest.slice(end);
  }
  let index: string | null = null;
  if (rest.startsWith('[')) {
    const end = balancedEnd(rest, 0);
    index = rest.slice(1, end - 1).trim();
    rest = rest.slice(end);
  }
  const transformations: string[] = [];
  while (rest.startsWith('{')) {
    const end = balancedEnd(rest, 0);
    transformations.push(rest.slice(1, end - 1));
    rest = rest.slice(end).trimStart();
  }
  return rest === '' ? { name, inner, index, transformations } : null;
}

function innerReader(compilation: Compilation, token: Token, inner: string): (frame: ScriptFrame) => string {
  if (!inner.includes('$')) return () => inner;
  const read = compileText(compilation, token, inner);
  return (frame) => String(read(frame) ?? '');
}

const noIndex = (): Index => null;

function indexReader(
  compilation: Compilation,
  token: Token,
  index: string | null,
): (frame: ScriptFrame) => Index {
  if (index === null) return noIndex;
  if (index === '*') return () => '*';
  if (/^[+-]?\d+$/.test(index)) {
    const number = Number(index);
    return () => number;
  }
  if (index.startsWith('$')) {
    const { read } = compileVariable(compilation, token, index);
    return (frame) => Number(read(frame) ?? 0);
  }
  compilation.complain(token, `[${index}] is no index`);
  return noIndex;
}

function applyTransformations(
  compilation: Compilation,
  token: Token,
  start: Reader,
  transformations: readonly string[],
): Reader {
  let read = start;
  for (const text of transformations) {
    const comma = text.indexOf(',');
    const name = (comma === -1 ? text : text.slice(0, comma)).trim();
    const apply = compilation.environment.findTransformation(name);
    if (apply === null) {
      const hint = suggestion(name, compilation.environment.names('transformation'));
      compilation.complain(token, `unknown transformation {${name}}${hint}`);
      continue;
    }
    const list = comma === -1 ? [] : splitArguments(name, text.slice(comma + 1));
    const readers = list.map((argument) => compileText(compilation, token, argument));
    const before = read;
    read = (frame) =>
      apply(
        before(frame),
        readers.map((reader) => reader(frame)),
      );
  }
  return read;
}

/** Commas inside parentheses belong to a variable; a substitution expression is one argument. */
function splitArguments(name: string, text: string): string[] {
  if (name.startsWith('re.')) return [text];
  const list: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')') depth--;
    else if (text[at] === ',' && depth === 0) {
      list.push(text.slice(start, at));
      start = at + 1;
    }
  }
  list.push(text.slice(start));
  return list;
}

/** A string with variables in it. Constant ones cost nothing at run time. `$$` is one `$`; null prints `<null>`. */
export function compileText(compilation: Compilation, token: Token, text: string): Reader {
  if (!text.includes('$')) return () => text;
  const parts: (string | Reader)[] = [];
  let literal = '';
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '$') {
      literal += text[at++];
      continue;
    }
    const end = text[at + 1] === '$' ? at + 2 : variableEnd(text, at);
    if (text[at + 1] === '$' || end <= at + 1) {
      literal += '$';
      at = Math.max(end, at + 1);
      continue;
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(compileVariable(compilation, token, text.slice(at, end)).read);
    at = end;
  }
  if (literal !== '') parts.push(literal);
  return joinParts(parts);
}

function joinParts(parts: readonly (string | Reader)[]): Reader {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return typeof only === 'string' ? () => only : only;
  return (frame) => {
    let result = '';
    for (const part of parts) result += typeof part === 'string' ? part : (part(frame) ?? '<null>');
    return result;
  };
}
