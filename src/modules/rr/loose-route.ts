/**
 * `loose_route()`: what RFC 3261 16.4 and 16.6 step 6 say about Route, in the words of OpenSIPS. Changes are edits;
 * the next hop becomes `$du`, the parameters of our own Route are kept for dialogs and `$rr_params`.
 */

import type { MessageContext } from '#module/context.ts';
import type { ModuleHost } from '#module/host.ts';
import { type RouteElement, readRoutes, removeFirst, removeLast } from '#modules/rr/route-set.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

/** True when the request was routed by its Route headers. */
export function looseRoute(host: ModuleHost, context: MessageContext): boolean {
  // A second call would find the same headers in the message as received.
  if (context.routeParameters !== null) return true;
  const { message } = context;
  const line = message.find(headerNames.route);
  if (line === -1) return false;
  const parameters = isOnlyOwn(host, message, line)
    ? removeOnly(host, context, line)
    : followRoutes(host, context);
  if (parameters === null) return false;
  context.routeParameters = parameters;
  const now = host.clock.monotonic();
  for (const hook of host.hooks.onLooseRoute) hook(context, parameters, now);
  return true;
}

/** What nearly every request of a dialog has: one Route, which is ours. It is read once and without making lists. */
function isOnlyOwn(host: ModuleHost, message: SipMessage, line: number): boolean {
  if (message.find(headerNames.route, line + 1) !== -1) return false;
  const comma = message.text.indexOf(',', message.valueStart(line));
  return (comma === -1 || comma >= message.valueEnd(line)) && isOwn(host, message.topRoute);
}

/** Gives the parameters of our Route; null when it was preloaded: ours alone, and no dialog. */
function removeOnly(host: ModuleHost, context: MessageContext, line: number): string | null {
  const { message, edits } = context;
  for (const hook of host.hooks.onOwnRoute) hook(context, message.topRoute!);
  edits.remove(message.lineStart(line), message.lineEnd(line));
  leaveBy(host, context, message.topRoute!, false);
  return message.toTag === '' ? null : message.topRoute!.parameters;
}

/** The same for any number of Routes. */
function followRoutes(host: ModuleHost, context: MessageContext): string | null {
  const { message } = context;
  const routes = readRoutes(message);
  if (routes.length === 0) return null;
  const strict = afterStrictRouter(host, context, routes);
  const own = routes.length === 0 ? 0 : countOwn(host, routes);
  const parameters = strict ?? (own === 0 ? '' : routes[0]!.uri!.parameters);
  if (own > 0) {
    for (const hook of host.hooks.onOwnRoute) hook(context, routes[0]!.uri!);
    removeFirst(message, context.edits, routes, own);
    leaveBy(host, context, routes[own - 1]!.uri!, own > 1);
  }
  const left = routes.slice(own);
  if (left.length > 0) setNextHop(context, left);
  else if (message.toTag === '') return null;
  return parameters;
}

/**
 * RFC 5658 3.2: the request leaves by the socket that the last of our Routes names, unless the script says another.
 * With one Route over UDP that is the socket that it would leave by anyway.
 */
function leaveBy(host: ModuleHost, context: MessageContext, route: SipUri, isSecond: boolean): void {
  if (context.sendSocket !== null || (!isSecond && !route.parameters.includes('transport='))) return;
  const protocol = route.parameter('transport')?.toLowerCase() ?? 'udp';
  context.sendSocket = host.socketAdvertised(protocol, route.host, route.port);
}

function isOwn(host: ModuleHost, uri: SipUri | null): boolean {
  return uri !== null && host.isMyself(uri.host, uri.port);
}

/** 0, 1, or 2 when we put in two (`r2=on`). */
function countOwn(host: ModuleHost, routes: readonly RouteElement[]): number {
  if (!isOwn(host, routes[0]!.uri)) return 0;
  if (routes.length < 2 || routes[0]!.uri!.parameter('r2') === null) return 1;
  const second = routes[1]!.uri;
  return isOwn(host, second) && second!.parameter('r2') !== null ? 2 : 1;
}

/**
 * RFC 3261 16.4: a strict router before us put our own Record-Route URI into the Request-URI; the last Route is the
 * real one. Gives the parameters of that URI, null when it was not so.
 */
function afterStrictRouter(host: ModuleHost, context: MessageContext, routes: RouteElement[]): string | null {
  if (!context.requestUri.includes(';lr')) return null;
  const uri = parseUri(context.requestUri);
  if (isFailure(uri) || uri.parameter('lr') === null || !isOwn(host, uri)) return null;
  // Outside of a dialog a user part names somebody: phones put `lr` into the URIs that they call, too.
  if (uri.user !== '' && context.message.toTag === '') return null;
  const last = routes.at(-1)!.uri;
  if (last === null) return null;
  removeLast(context.message, context.edits, routes);
  routes.pop();
  context.requestUri = last.text;
  return uri.parameters;
}

function setNextHop(context: MessageContext, left: readonly RouteElement[]): void {
  const next = left[0]!.uri;
  if (next === null) return;
  if (next.parameter('lr') !== null) {
    context.destinationUri = next.text;
    return;
  }
  // RFC 3261 16.6 step 6: the next hop is a strict router, the Request-URI becomes the last Route.
  const { message, edits } = context;
  const last = left.at(-1)!;
  const first = left[0]!;
  const second = left[1];
  if (second !== undefined && second.line === first.line) edits.remove(first.start, second.start);
  else edits.remove(message.lineStart(first.line), message.lineEnd(first.line));
  edits.insert(message.lineEnd(last.line), `Route: <${context.requestUri}>\r\n`);
  context.requestUri = next.text;
  context.destinationUri = null;
}
