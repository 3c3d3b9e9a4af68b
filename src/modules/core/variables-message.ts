/** The message itself: start line, identifying headers, body, flags, AVPs, where it came from. */

import { bareAttributeName } from '#module/attribute-name.ts';
import type { MessageContext } from '#module/context.ts';
import type { MessageError } from '#module/services.ts';
import { bodyParts } from '#modules/core/body-part.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import type { FlagKind } from '#modules/core/flag-names.ts';
import { orNull, pick, plain, type Variable } from '#modules/core/variable-declaration.ts';
import type { Value } from '#script/value.ts';
import { type HeaderName, headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';

function header(name: HeaderName): (context: MessageContext) => Value {
  return (context) => orNull(context.message.firstValue(name));
}

/** In a failure route the message is the request, and the reply the one that was picked. */
function replyOf(context: MessageContext): SipMessage | null {
  return context.message.isRequest ? context.reply : context.message;
}

const startLineVariables: readonly Variable[] = [
  plain(['rm'], 'Method; in a reply that of CSeq.', (context) => context.message.method),
  plain(['rs'], 'Status of the reply.', (context) => replyOf(context)?.status ?? null),
  plain(['rr'], 'Reason phrase of the reply.', (context) => replyOf(context)?.reason ?? null),
  plain(['msg.is_request'], '1 in a request, 0 in a reply.', (context) =>
    context.message.isRequest ? 1 : 0,
  ),
  plain(['msg.type'], '"request" or "reply".', (context) =>
    context.message.isRequest ? 'request' : 'reply',
  ),
];

const headerVariables: readonly Variable[] = [
  plain(['ci'], 'Call-ID.', (context) => context.message.callId),
  plain(['cs'], 'Number of CSeq.', (context) => context.message.cseqNumber),
  plain(['ua'], 'User-Agent.', header(headerNames.userAgent)),
  plain(['cl'], 'Content-Length.', (context) => {
    const length = context.message.contentLength;
    return length < 0 ? null : length;
  }),
  plain(['cT'], 'Content-Type.', header(headerNames.contentType)),
  plain(['mb'], 'The whole message as received.', (context) => context.message.text),
  plain(['ml'], 'Length of the message, bytes.', (context) => context.message.text.length),
  plain(['mi'], 'Number of the message on this node.', (context, core) => core.messageId(context.message)),
  {
    names: ['rb'],
    inner: 'optional',
    help: 'Body; with a MIME type or an index that part of it.',
    read: (_core, context, mime, index) => readBody(context, mime, index),
  },
];

function readBody(context: MessageContext, mime: string | null, index: number | '*' | null): Value {
  const { body } = context.message;
  if (body === '') return null;
  if (mime === null && index === null) return body;
  const parts = bodyParts(context.message).filter(
    (part) => mime === null || part.mime === mime.toLowerCase(),
  );
  return pick(
    parts.map((part) => part.content),
    index,
  );
}

/** `$msg.flag(NAME)`: 0 or 1, writable. */
function flagVariable(
  names: readonly string[],
  kind: FlagKind,
  field: 'messageFlags' | 'branchFlags',
): Variable {
  return {
    names,
    inner: 'required',
    help: `1 when the ${kind} flag is set, else 0.`,
    read: (core, context, name) => ((context[field] & core.flags.mask(kind, name ?? '')) === 0 ? 0 : 1),
    write: (core, context, value, name) => {
      const mask = core.flags.mask(kind, name ?? '');
      const isOn = value !== null && value !== 0 && value !== '';
      context[field] = isOn ? context[field] | mask : context[field] & ~mask;
    },
  };
}

const flagVariables: readonly Variable[] = [
  plain(['mf'], 'Names of the message flags that are set.', (context, core) =>
    core.flags.list('message', context.messageFlags),
  ),
  plain(['bf'], 'Names of the branch flags that are set.', (context, core) =>
    core.flags.list('branch', context.branchFlags),
  ),
  flagVariable(['msg.flag'], 'message', 'messageFlags'),
  flagVariable(['branch.flag'], 'branch', 'branchFlags'),
];

function writeAttribute(
  context: MessageContext,
  name: string,
  value: Value,
  index: number | '*' | null,
  replace: boolean,
): void {
  const values = context.attributes.get(name);
  if (typeof index === 'number') {
    const position = index < 0 && values !== undefined ? values.length + index : index;
    if (values === undefined || values[position] === undefined) return;
    if (value === null) values.splice(position, 1);
    else values[position] = value;
    if (values.length === 0) context.attributes.delete(name);
  } else if (value === null) {
    values?.shift();
    if (replace || values === undefined || values.length === 0) context.attributes.delete(name);
  } else if (replace || values === undefined) context.attributes.set(name, [value]);
  else values.unshift(value);
}

const attributeVariable: Variable = {
  names: ['avp'],
  inner: 'required',
  help: 'Values kept with the transaction. `=` puts one on top, `:=` replaces all, NULL removes.',
  read: (_core, context, name, index) =>
    pick(context.attributes.get(bareAttributeName(name ?? '')) ?? [], index),
  readAll: (_core, context, name) => context.attributes.get(bareAttributeName(name ?? ''))?.slice() ?? [],
  write: (_core, context, value, name, index, replace) =>
    writeAttribute(context, bareAttributeName(name ?? ''), value, index, replace),
};

function errorVariable(field: string, help: string, read: (error: MessageError) => Value): Variable {
  return plain([`err.${field}`], help, (context) => {
    const error = context.attachments.get('error') as MessageError | undefined;
    return error === undefined ? null : read(error);
  });
}

const errorVariables: readonly Variable[] = [
  errorVariable('class', 'Class of the error: 1, the message cannot be read.', (error) => error.class),
  errorVariable('level', 'Severity of the error.', (error) => error.level),
  errorVariable('info', 'What went wrong.', (error) => error.info),
  errorVariable('rcode', 'Status that a reply should have.', (error) => error.status),
  errorVariable('rreason', 'Reason that a reply should have.', (error) => error.reason),
];

const statisticVariable: Variable = {
  names: ['stat'],
  inner: 'required',
  help: 'A statistic, "name" or "group:name"; assigning adds to it.',
  read: (core, _context, name) => core.host.statistics.find(name ?? ''),
  write: (core, _context, value, name) => addToStatistic(core, name ?? '', Number(value)),
};

function addToStatistic(core: CoreModule, name: string, amount: number): void {
  if (!Number.isInteger(amount)) return;
  const separator = name.indexOf(':');
  const group = separator === -1 ? 'dynamic' : name.slice(0, separator);
  core.host.statistics.counter(group, name.slice(separator + 1)).value += amount;
}

export const messageVariables: readonly Variable[] = [
  ...startLineVariables,
  ...headerVariables,
  ...flagVariables,
  attributeVariable,
  ...errorVariables,
  statisticVariable,
];
