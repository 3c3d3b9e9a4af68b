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
  /** `$(<request>…)` and `$(<reply>…)`. */
  readonly message: 'request' | 'reply' | null;
  readonly name: string;
  readonly inner: string | null;
  readonly index: string | null;
  readonly transformations: readonly string[];
}

/** What was complained about already. */
export const unknownVariable: VariableAccess = { read: () => null, write: null, readAll: () => [] };

/** Compiles `text` (with its `$`); complaints point at it inside `token`. */
export function compileVariable(compilation: Compilation, token: Token, text: string): VariableAccess {
  const parts = splitVariable(text);
  if (parts === null) {
    compilation.complain(token, `"${text}" is no variable`, text);
    return unknownVariable;
  }
  const found = findVariable(compilation, parts.name);
  if (found === null) {
    complainUnknown(compilation, { token, text }, parts.name);
    return unknownVariable;
  }
  const { shape, holder } = found;
  if (parts.inner === null && shape.inner === 'required') {
    compilation.complain(token, `$${parts.name} needs a name in parentheses`, text);
    return unknownVariable;
  }
  if (parts.inner !== null && shape.inner === 'none') {
    compilation.complain(token, `$${parts.name} takes no name in parentheses`, text);
    return unknownVariable;
  }
  const inner = parts.inner === null ? null : innerReader(compilation, token, parts.inner);
  const index = indexReader(compilation, token, parts.index);
  const plain = ofMessage(compilation, parts.message, plainReader(shape, holder, inner, index));
  const innerOf = (frame: ScriptFrame): string | null => (inner === null ? null : inner(frame));
  const { write, readAll } = shape;
  const isPlain = parts.transformations.length === 0 && parts.message === null;
  const read = applyTransformations(compilation, token, plain, parts.transformations);
  return {
    read,
    write:
      write === undefined || !isPlain
        ? null
        : (frame, value, replace) =>
            write(holder.instance, frame, value, innerOf(frame), index(frame), replace),
    readAll:
      readAll === undefined || !isPlain
        ? (frame) => [read(frame)].filter((value) => value !== null)
        : (frame) => readAll(holder.instance, frame, innerOf(frame)),
  };
}

/** The variable of the other message of a transaction: the request in an onreply route, the reply in a failure route. */
function ofMessage(compilation: Compilation, message: 'request' | 'reply' | null, read: Reader): Reader {
  if (message === null) return read;
  const { environment } = compilation;
  return (frame) => {
    const other = environment.otherMessage(frame, message);
    return other === null ? null : read(other);
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

function complainUnknown(
  compilation: Compilation,
  place: { readonly token: Token; readonly text: string },
  name: string,
): void {
  const { environment } = compilation;
  const owner = environment.unloadedOwner('variable', name);
  if (owner !== null) {
    compilation.complainUnknown(place.token, `$${name} needs loadmodule "${owner}.so"`, place.text);
    return;
  }
  const dot = name.lastIndexOf('.');
  const stem = dot === -1 ? '' : name.slice(0, dot);
  const isStem = stem !== '' && findVariable(compilation, stem) !== null;
  const known = [...environment.names('variable'), ...Object.keys(builtinVariables)];
  const hint = isStem
    ? `; to put a dot behind $${stem}, write $(${stem})${name.slice(dot)}`
    : suggestion(name, known);
  compilation.complainUnknown(place.token, `unknown variable $${name}${hint}`, place.text);
}

/** Null when the text cannot be taken apart. */
function splitVariable(text: string): VariableText | null {
  const isWrapped = text.charAt(1) === '(' && text.endsWith(')');
  let rest = isWrapped ? text.slice(2, -1).trim() : text.slice(1);
  const message = isWrapped
    ? (/^<(request|reply)>/.exec(rest)?.[1] as 'request' | 'reply' | undefined)
    : undefined;
  if (message !== undefined) rest = rest.slice(message.length + 2);
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
  return rest === '' ? { message: message ?? null, name, inner, index, transformations } : null;
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
  compilation.complain(token, `[${index}] is no index`, `[${index}]`);
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
      complainTransformation(compilation, { token, text }, name);
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

function complainTransformation(
  compilation: Compilation,
  place: { readonly token: Token; readonly text: string },
  name: string,
): void {
  const { environment } = compilation;
  const owner = environment.unloadedOwner('transformation', name);
  const cause =
    owner === null
      ? `unknown transformation {${name}}${suggestion(name, environment.names('transformation'))}`
      : `{${name}} needs loadmodule "${owner}.so"`;
  compilation.complainUnknown(place.token, cause, place.text);
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

/**
 * A string with variables in it. Constant ones cost nothing at run time; `$$` is one `$`. A variable alone keeps its
 * value as it is, null included: that is how functions get their arguments.
 */
export function compileText(compilation: Compilation, token: Token, text: string): Reader {
  return joinParts(splitText(compilation, token, text), true);
}

/** The same as text always, so that a variable alone that is null gives `<null>`: strings in expressions. */
export function compileFormat(compilation: Compilation, token: Token, text: string): Reader {
  return joinParts(splitText(compilation, token, text), false);
}

function splitText(compilation: Compilation, token: Token, text: string): (string | Reader)[] {
  const parts: (string | Reader)[] = [];
  let literal = '';
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('$', at);
    literal += text.slice(at, next === -1 ? undefined : next);
    if (next === -1) break;
    const end = text[next + 1] === '$' ? next + 2 : variableEnd(text, next);
    if (text[next + 1] === '$' || end <= next + 1) {
      literal += '$';
    } else {
      if (literal !== '') parts.push(literal);
      literal = '';
      parts.push(compileVariable(compilation, token, text.slice(next, end)).read);
    }
    at = end;
  }
  if (literal !== '' || parts.length === 0) parts.push(literal);
  return parts;
}

function joinParts(parts: readonly (string | Reader)[], keepsValue: boolean): Reader {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) {
    if (typeof only === 'string') return () => only;
    return keepsValue ? only : (frame) => String(only(frame) ?? '<null>');
  }
  return (frame) => {
    let result = '';
    for (const part of parts) result += typeof part === 'string' ? part : (part(frame) ?? '<null>');
    return result;
  };
}
