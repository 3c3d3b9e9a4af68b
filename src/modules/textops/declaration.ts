/**
 * The module `textops`: searching and replacing in the text of a message, `subst` of OpenSIPS. Everything looks at the
 * message as it was received; in the body also at what was changed before.
 */

import { currentBody, replaceBody } from '#module/body-edit.ts';
import type { MessageContext } from '#module/context.ts';
import { defineModule, type FunctionDeclaration, type RouteKind } from '#module/define.ts';
import { parseSubstitution, type Substitution } from '#module/substitution.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<null>;

const routes: readonly RouteKind[] = ['request', 'onreply', 'failure', 'branch', 'local'];

/** The same expression for every match, with the flags it has. */
function repeated(expression: RegExp): RegExp {
  return new RegExp(
    expression.source,
    expression.flags.includes('g') ? expression.flags : `${expression.flags}g`,
  );
}

/**
 * Replaces matches in the headers. The start line stays: the Request-URI is changed by `$ru`, and what is written
 * there when the message leaves is not this text.
 */
function replaceInHead(context: MessageContext, expression: RegExp, text: string, all: boolean): number {
  const { message, edits } = context;
  const headers = message.text.slice(message.startLineEnd, message.headersEnd);
  let result = -1;
  for (const match of headers.matchAll(repeated(expression))) {
    if (match[0] === '') continue;
    const start = message.startLineEnd + match.index;
    edits.replace(start, start + match[0].length, text);
    result = 1;
    if (!all) break;
  }
  return result;
}

function replaceInBody(context: MessageContext, expression: RegExp, text: string, all: boolean): number {
  const body = currentBody(context);
  if (body.search(expression) === -1) return -1;
  replaceBody(
    context,
    body.replace(all ? repeated(expression) : expression, () => text),
  );
  return 1;
}

/** Puts text behind the first match in the headers. */
function appendToMatch(context: MessageContext, expression: RegExp, text: string): number {
  const { message, edits } = context;
  const match = expression.exec(message.text.slice(message.startLineEnd, message.headersEnd));
  if (match === null) return -1;
  edits.insert(message.startLineEnd + match.index + match[0].length, text);
  return 1;
}

function appendInBody(context: MessageContext, expression: RegExp, text: string): number {
  const body = currentBody(context);
  const match = expression.exec(body);
  if (match === null) return -1;
  const end = match.index + match[0].length;
  replaceBody(context, body.slice(0, end) + text + body.slice(end));
  return 1;
}

const expressionArgument = { name: 'expression', kind: 'regexp' } as const;
const textArgument = { name: 'text', kind: 'string' } as const;

function searching(name: string, help: string, text: (context: MessageContext) => string): Declaration {
  return {
    name,
    routes,
    arguments: [expressionArgument],
    help,
    call: (_module, context, expression: RegExp) => (text(context).search(expression) === -1 ? -1 : 1),
  };
}

function changing(
  name: string,
  help: string,
  act: (context: MessageContext, expression: RegExp, text: string) => number,
): Declaration {
  return {
    name,
    routes,
    arguments: [expressionArgument, textArgument],
    help,
    call: (_module, context, expression: RegExp, text: string | null) => act(context, expression, text ?? ''),
  };
}

/** `subst`: each match in the headers by its own replacement. */
function substituteHead(context: MessageContext, rule: Substitution): number {
  const { message, edits } = context;
  const headers = message.text.slice(message.startLineEnd, message.headersEnd);
  const all = rule.expression.flags.includes('g');
  let result = -1;
  for (const match of headers.matchAll(repeated(rule.expression))) {
    if (match[0] === '') continue;
    const start = message.startLineEnd + match.index;
    edits.replace(start, start + match[0].length, rule.fill(match));
    result = 1;
    if (!all) break;
  }
  return result;
}

function substituteBody(context: MessageContext, rule: Substitution): number {
  const body = rule.apply(currentBody(context));
  if (body === null) return -1;
  replaceBody(context, body);
  return 1;
}

function substituteUri(context: MessageContext, rule: Substitution): number {
  const uri = rule.apply(context.requestUri);
  if (uri === null || isFailure(parseUri(uri))) return -1;
  context.requestUri = uri;
  return 1;
}

function substituteUser(context: MessageContext, rule: Substitution): number {
  const uri = parseUri(context.requestUri);
  if (isFailure(uri)) return -1;
  const user = rule.apply(uri.user);
  if (user === null) return -1;
  context.requestUri = uri.with({ user });
  return 1;
}

/** The rule may hold variables, so it is read at every call; reading one costs a microsecond. */
function substituting(
  name: string,
  help: string,
  act: (context: MessageContext, rule: Substitution) => number,
): Declaration {
  return {
    name,
    routes,
    arguments: [{ name: 'rule', kind: 'string' }],
    help: `${help} The rule is /expression/replacement/flags.`,
    call: (_module, context, text: string | null) => {
      const rule = parseSubstitution(text ?? '');
      return isFailure(rule) ? -1 : act(context, rule);
    },
  };
}

export const textops = defineModule<null>({
  name: 'textops',
  help: 'Searches and replaces in the text of messages.',
  functions: [
    searching(
      'search',
      'True when the start line, a header or the body matches.',
      (context) => context.message.text,
    ),
    searching('search_body', 'True when the body matches.', currentBody),
    changing('search_append', 'Puts text behind the first match in the headers.', appendToMatch),
    changing('search_append_body', 'Puts text behind the first match in the body.', appendInBody),
    changing('replace', 'Replaces the first match in the headers.', (context, expression, text) =>
      replaceInHead(context, expression, text, false),
    ),
    changing('replace_all', 'Replaces every match in the headers.', (context, expression, text) =>
      replaceInHead(context, expression, text, true),
    ),
    changing('replace_body', 'Replaces the first match in the body.', (context, expression, text) =>
      replaceInBody(context, expression, text, false),
    ),
    changing('replace_body_all', 'Replaces every match in the body.', (context, expression, text) =>
      replaceInBody(context, expression, text, true),
    ),
    changing('replace_body_atonce', 'Replaces every match in the body.', (context, expression, text) =>
      replaceInBody(context, expression, text, true),
    ),
    substituting('subst', 'Replaces what matches in the headers.', substituteHead),
    substituting('subst_body', 'Replaces what matches in the body.', substituteBody),
    substituting('subst_uri', 'Replaces what matches in the Request-URI.', substituteUri),
    substituting('subst_user', 'Replaces what matches in the user of the Request-URI.', substituteUser),
  ],
  create: () => null,
});
