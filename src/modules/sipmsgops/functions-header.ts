/** Header lines: add, remove, find, list. Changes show when the message leaves, not before. */

import { attributeName } from '#module/attribute-name.ts';
import type { MessageContext } from '#module/context.ts';
import {
  type ArgumentDeclaration,
  everyRoute,
  type FunctionDeclaration,
  type RouteKind,
  type VariableReference,
} from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { compilePosix } from '#module/substitution.ts';
import { addOption, hasOption, removeOption } from '#modules/sipmsgops/option-list.ts';
import { formatSipDate } from '#modules/sipmsgops/sip-date.ts';
import type { SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<ModuleHost>;

export const messageRoutes: readonly RouteKind[] = ['request', 'onreply', 'failure', 'branch', 'local'];

const text = (name: string, optional = false): ArgumentDeclaration => ({ name, kind: 'string', optional });

function withLineEnd(lines: string): string {
  return lines.endsWith('\n') ? lines : `${lines}\r\n`;
}

/** Behind the anchor's first line, else behind all headers. */
function append(context: MessageContext, lines: string, anchor: string | null): number {
  const { message, edits } = context;
  const line = anchor === null ? -1 : message.findNamed(anchor);
  edits.insert(line === -1 ? message.headersEnd : message.lineEnd(line), withLineEnd(lines));
  return 1;
}

/** Before the anchor's first line, else before all headers. */
function insert(context: MessageContext, lines: string, anchor: string | null): number {
  const { message, edits } = context;
  const line = anchor === null ? -1 : message.findNamed(anchor);
  edits.insert(line === -1 ? message.startLineEnd : message.lineStart(line), withLineEnd(lines));
  return 1;
}

/** Removes every line whose name passes; 1 when there was one. */
function removeLines(
  context: MessageContext,
  matches: (message: SipMessage, line: number) => boolean,
): number {
  const { message, edits } = context;
  let result = -1;
  for (let line = 0; line < message.lineCount; line++) {
    if (!matches(message, line)) continue;
    edits.remove(message.lineStart(line), message.lineEnd(line));
    result = 1;
  }
  return result;
}

function removeNamed(context: MessageContext, name: string): number {
  const { message, edits } = context;
  let result = -1;
  for (let line = message.findNamed(name); line !== -1; line = message.findNamed(name, line + 1)) {
    edits.remove(message.lineStart(line), message.lineEnd(line));
    result = 1;
  }
  return result;
}

function removeByExpression(context: MessageContext, expression: RegExp): number {
  return removeLines(context, (message, line) => expression.test(message.lineName(line)));
}

/** `X-*`: any run of characters; `?`: one. Null when nothing sensible comes out. */
function globExpression(glob: string): RegExp | null {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const compiled = compilePosix(`^${source}$`, 'i');
  return isFailure(compiled) ? null : compiled;
}

/** Both lists in the order of the message: `$(avp(names)[0])` is the first header. */
function collectHeaders(
  context: MessageContext,
  expression: RegExp | null,
  names: string,
  values: string,
): number {
  if (expression === null) return -1;
  const { message, attributes } = context;
  const lines = Array.from({ length: message.lineCount }, (_, line) => line).filter((line) =>
    expression.test(message.lineName(line)),
  );
  if (lines.length === 0) return -1;
  attributes.set(
    names,
    lines.map((line) => message.lineName(line)),
  );
  attributes.set(
    values,
    lines.map((line) => message.value(line)),
  );
  return 1;
}

/** OpenSIPS 2.4: `remove_hf(name, "g" | "r")`. */
function remove(context: MessageContext, name: string, flag: string | null): number {
  if (flag === null || flag === '') return removeNamed(context, name);
  const compiled = flag.startsWith('g') ? globExpression(name) : compilePosix(name, 'i');
  return compiled === null || isFailure(compiled) ? -1 : removeByExpression(context, compiled);
}

const addingFunctions: readonly Declaration[] = [
  {
    name: 'append_hf',
    routes: messageRoutes,
    arguments: [text('text'), text('anchor', true)],
    help: 'Adds header lines at the end, or behind the first header of that name.',
    call: (_host, context, lines: string | null, anchor: string | null) =>
      lines === null ? -1 : append(context, lines, anchor),
  },
  {
    name: 'insert_hf',
    routes: messageRoutes,
    arguments: [text('text'), text('anchor', true)],
    help: 'Adds header lines at the beginning, or before the first header of that name.',
    call: (_host, context, lines: string | null, anchor: string | null) =>
      lines === null ? -1 : insert(context, lines, anchor),
  },
  {
    name: 'append_to_reply',
    routes: ['request', 'failure', 'branch', 'error'],
    arguments: [text('text')],
    help: 'Adds header lines to the replies that this node makes to the request.',
    call: (_host, context, lines: string | null) => {
      if (lines === null) return -1;
      context.replyHeaders += withLineEnd(lines);
      return 1;
    },
  },
  {
    name: 'append_urihf',
    routes: ['request', 'failure', 'branch'],
    arguments: [text('prefix'), text('suffix')],
    help: 'Adds a header line made of a prefix, the Request-URI as received, and a suffix.',
    call: (_host, context, prefix: string | null, suffix: string | null) =>
      append(context, `${prefix ?? ''}${context.request.requestUri}${suffix ?? ''}`, null),
  },
  {
    name: 'append_time',
    routes: [...messageRoutes, 'error'],
    arguments: [],
    help: 'Adds a Date header to the replies that this node makes to the request.',
    call: (host, context) => {
      context.replyHeaders += `Date: ${formatSipDate(host.clock.wall())}\r\n`;
      return 1;
    },
  },
];

const removingFunctions: readonly Declaration[] = [
  {
    name: 'remove_hf',
    routes: messageRoutes,
    arguments: [text('name'), text('flag', true)],
    help: 'Removes all headers of that name ("g": by pattern with *, "r": by expression). True when there was one.',
    call: (_host, context, name: string | null, flag: string | null) =>
      name === null ? -1 : remove(context, name, flag),
  },
  {
    name: 'remove_hf_re',
    routes: messageRoutes,
    arguments: [{ name: 'expression', kind: 'regexp' }],
    help: 'Removes all headers whose name matches.',
    call: (_host, context, expression: RegExp) => removeByExpression(context, expression),
  },
  {
    name: 'remove_hf_glob',
    routes: messageRoutes,
    arguments: [text('pattern')],
    help: 'Removes all headers whose name matches a pattern with * and ?.',
    call: (_host, context, pattern: string | null) => {
      const compiled = globExpression(pattern ?? '');
      return compiled === null ? -1 : removeByExpression(context, compiled);
    },
  },
];

const askingFunctions: readonly Declaration[] = [
  {
    name: 'is_present_hf',
    routes: messageRoutes,
    arguments: [text('name')],
    help: 'True when there is a header of that name, in its long or short form.',
    call: (_host, context, name: string | null) => (context.message.findNamed(name ?? '') === -1 ? -1 : 1),
  },
  {
    name: 'get_glob_headers_values',
    routes: messageRoutes,
    arguments: [
      text('pattern'),
      { name: 'names', kind: 'static', parse: attributeName },
      { name: 'values', kind: 'static', parse: attributeName },
    ],
    help: 'Stores names and values of the headers whose name matches a pattern in two AVPs.',
    call: (_host, context, pattern: string | null, names: string, values: string) =>
      collectHeaders(context, globExpression(pattern ?? ''), names, values),
  },
  {
    name: 'is_privacy',
    routes: messageRoutes,
    arguments: [text('type')],
    help: 'True when the Privacy header names that type (RFC 3323).',
    call: (_host, context, type: string | null) => {
      const line = context.message.findNamed('Privacy');
      if (line === -1) return -1;
      const types = context.message
        .value(line)
        .toLowerCase()
        .split(/[;,\s]+/);
      return types.includes((type ?? '').toLowerCase()) ? 1 : -1;
    },
  },
];

type OptionAction = (context: MessageContext, name: string, option: string) => boolean;

function optionFunction(name: string, help: string, act: OptionAction): Declaration {
  return {
    name,
    routes: messageRoutes,
    arguments: [text('header'), text('option')],
    help,
    call: (_host, context, header: string | null, option: string | null) =>
      header !== null && option !== null && act(context, header, option) ? 1 : -1,
  };
}

export const headerFunctions: readonly Declaration[] = [
  ...addingFunctions,
  ...removingFunctions,
  ...askingFunctions,
  optionFunction('list_hdr_has_option', 'True when a comma-list header has the option.', hasOption),
  optionFunction('list_hdr_add_option', 'Adds an option to a comma-list header.', addOption),
  optionFunction('list_hdr_remove_option', 'Removes an option from a comma-list header.', removeOption),
  {
    name: 'change_reply_status',
    routes: ['onreply'],
    arguments: [{ name: 'code', kind: 'integer' }, text('reason')],
    help: 'Changes status and reason of the reply on its way to the caller, within its class.',
    call: (_host, context, code: number | null, reason: string | null) => {
      if (code === null || Math.floor(code / 100) !== Math.floor(context.message.status / 100)) return -1;
      context.changedStatus = code;
      context.changedReason = reason ?? '';
      return 1;
    },
  },
  {
    name: 'sip_to_json',
    routes: everyRoute,
    arguments: [{ name: 'result', kind: 'variable' }],
    help: 'Stores the message as JSON: first_line, headers (each an array of its values) and body.',
    call: (_host, context, result: VariableReference) => {
      result.write(context, messageJson(context.message));
      return 1;
    },
  },
];

function messageJson(message: SipMessage): string {
  // A map, because a header may be named like a member that every object has.
  const headers = new Map<string, string[]>();
  for (let line = 0; line < message.lineCount; line++) {
    const name = message.lineName(line);
    const values = headers.get(name) ?? [];
    values.push(message.value(line));
    headers.set(name, values);
  }
  return JSON.stringify({
    first_line: message.text.slice(0, message.startLineEnd).trimEnd(),
    headers: Object.fromEntries(headers),
    body: message.body,
  });
}
