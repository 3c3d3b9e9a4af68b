/**
 * The module `rr`: Record-Route and Route (RFC 3261 16.4, 16.6 steps 4 and 6). The Record-Route line itself is written
 * when the request is sent, for then the sending socket is known.
 */

import type { MessageContext, RecordRoute } from '#module/context.ts';
import { defineModule, type FunctionDeclaration, type RouteKind } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { looseRoute } from '#modules/rr/loose-route.ts';
import { findParameter } from '#sip/parameters.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

interface RouteModule {
  readonly host: ModuleHost;
  readonly appendFromTag: boolean;
  readonly addUserName: boolean;
}

type Declaration = FunctionDeclaration<RouteModule>;

const requestRoutes: readonly RouteKind[] = ['request', 'branch', 'failure'];

/** Parameters that `add_rr_param` collected before `record_route` was called. */
const waitingParameters = 'rr.parameters';

function startRecord(module: RouteModule, context: MessageContext, extra: string | null): RecordRoute {
  const parameters: string[] = [];
  const fromTag = context.request.fromTag;
  if (module.appendFromTag && fromTag !== '') parameters.push(`;ftag=${fromTag}`);
  const waiting = context.attachments.get(waitingParameters) as string[] | undefined;
  if (waiting !== undefined) parameters.push(...waiting);
  if (extra !== null && extra !== '') parameters.push(extra.startsWith(';') ? extra : `;${extra}`);
  const record: RecordRoute = { user: userOf(module, context), parameters, preset: null, secondPreset: null };
  context.recordRoute = record;
  return record;
}

function userOf(module: RouteModule, context: MessageContext): string {
  if (!module.addUserName) return '';
  const uri = parseUri(context.requestUri);
  return isFailure(uri) ? '' : uri.user;
}

function addParameter(context: MessageContext, text: string): number {
  const parameter = text.startsWith(';') ? text : `;${text}`;
  if (context.recordRoute !== null) {
    context.recordRoute.parameters.push(parameter);
    return 1;
  }
  const waiting = (context.attachments.get(waitingParameters) as string[] | undefined) ?? [];
  waiting.push(parameter);
  context.attachments.set(waitingParameters, waiting);
  return 1;
}

/** RFC 3261 12: the From tag of the request that made the dialog is the caller's. */
function isDirection(context: MessageContext, wanted: string): number {
  const tag = context.routeParameters === null ? null : findParameter(context.routeParameters, 'ftag');
  const isDownstream = tag === null || tag === '' || tag === context.message.fromTag;
  return isDownstream === (wanted.toLowerCase() === 'downstream') ? 1 : -1;
}

const functions: readonly Declaration[] = [
  {
    name: 'loose_route',
    routes: ['request'],
    arguments: [],
    help: 'Follows the Route headers: removes our own, sets the next hop. False when there is none to follow.',
    call: (module, context) => (looseRoute(module.host, context) ? 1 : -1),
  },
  {
    name: 'record_route',
    routes: requestRoutes,
    arguments: [{ name: 'parameters', kind: 'string', optional: true }],
    help: 'Later requests of the dialog will come through here. Calling it again changes nothing.',
    call: (module, context, extra: string | null) => {
      if (context.recordRoute === null) startRecord(module, context, extra);
      return 1;
    },
  },
  {
    name: 'record_route_preset',
    routes: requestRoutes,
    arguments: [
      { name: 'host', kind: 'string' },
      { name: 'second_host', kind: 'string', optional: true },
    ],
    help:
      'The same, with this host[:port] instead of the address of the sending socket; with two of them two ' +
      'Record-Route headers, the first on top, for a request that goes from one network to another.',
    call: (module, context, preset: string | null, second: string | null) => {
      if (context.recordRoute !== null || preset === null) return -1;
      const record = startRecord(module, context, null);
      record.preset = preset;
      record.secondPreset = second;
      return 1;
    },
  },
  {
    name: 'add_rr_param',
    routes: requestRoutes,
    arguments: [{ name: 'parameter', kind: 'string' }],
    help: 'Adds a parameter (";x=y") to our Record-Route.',
    call: (_module, context, text: string | null) => (text === null ? -1 : addParameter(context, text)),
  },
  {
    name: 'check_route_param',
    routes: [...requestRoutes, 'onreply'],
    arguments: [{ name: 'expression', kind: 'regexp' }],
    help: 'True when the parameters of our own Route header match.',
    call: (_module, context, expression: RegExp) =>
      context.routeParameters !== null && expression.test(context.routeParameters) ? 1 : -1,
  },
  {
    name: 'is_direction',
    routes: [...requestRoutes, 'onreply'],
    arguments: [{ name: 'direction', kind: 'string' }],
    help: '"downstream": the request goes the way of the one that made the dialog; "upstream": the other way.',
    call: (_module, context, wanted: string | null) => isDirection(context, wanted ?? ''),
  },
];

export const rr = defineModule<RouteModule>({
  name: 'rr',
  help: 'Keeps this proxy in the path of dialogs, and follows the path they recorded.',
  parameters: [
    {
      name: 'append_fromtag',
      kind: 'integer',
      default: 1,
      help: '1: our Record-Route carries the From tag, for is_direction.',
    },
    {
      name: 'add_username',
      kind: 'integer',
      default: 0,
      help: '1: the user of the Request-URI stands in it.',
    },
    {
      name: 'enable_double_rr',
      kind: 'integer',
      default: 1,
      ignored: 'two Record-Route headers are always written when a request changes sockets',
      help: 'Accepted.',
    },
    {
      name: 'enable_full_lr',
      kind: 'integer',
      default: 0,
      ignored: 'lr is always written without a value, as RFC 3261 has it',
      help: 'Accepted.',
    },
    {
      name: 'enable_socket_mismatch_warning',
      kind: 'integer',
      default: 1,
      ignored: 'replies and requests of a dialog may arrive anywhere',
      help: 'Accepted.',
    },
    {
      name: 'ignore_user',
      kind: 'string',
      default: null,
      ignored: 'the user of a Route decides nothing',
      help: 'Accepted.',
    },
  ],
  functions,
  variables: [
    {
      names: ['rr_params'],
      inner: 'none',
      help: 'Parameters of our own Route header that was just followed.',
      read: (_module, context) => (context.routeParameters === '' ? null : context.routeParameters),
    },
  ],
  create: (host, parameters) => ({
    host,
    appendFromTag: parameters.append_fromtag !== 0,
    addUserName: parameters.add_username !== 0,
  }),
});
