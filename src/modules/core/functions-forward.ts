/** Sending without a transaction: `forward` (RFC 3261 16.11) and `send`, a copy to somebody else. */

import type { MessageContext } from '#module/context.ts';
import { everyRoute, type FunctionDeclaration } from '#module/define.ts';
import { statelessService } from '#module/services.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { forwardRequestStatelessly, forwardResponseStatelessly, responseUri } from '#proxy/stateless.ts';
import { toBytes } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';

type Declaration = FunctionDeclaration<CoreModule>;

/** `udp:host:port`, `host:port`, `host` or a URI, as a URI. */
function destinationUri(text: string): string {
  if (/^(sips?|tel):/i.test(text)) return text;
  const protocol = /^(udp|tcp|tls):/i.exec(text);
  if (protocol === null) return `sip:${text}`;
  return `sip:${text.slice(protocol[0].length)};transport=${protocol[1]!.toLowerCase()}`;
}

/** True unless the destination is known at once not to exist; a name is resolved later. */
function resolveAndSend(
  core: CoreModule,
  context: MessageContext,
  uri: string,
  textFor: (flow: Flow) => string | null,
): number {
  let result = 1;
  core.host.resolve(
    uri,
    context.sendSocket,
    (flow) => {
      if (isFailure(flow)) {
        core.host.log.warn(`forward: ${flow.message}`, { callId: context.message.callId });
        result = -1;
        return;
      }
      const text = textFor(flow);
      if (text === null) result = -1;
      else core.host.send(toBytes(text), flow);
    },
    context.source.socket,
  );
  return result;
}

function forwardRequest(core: CoreModule, context: MessageContext, destination: string | null): number {
  const uri =
    destination === null ? (context.destinationUri ?? context.requestUri) : destinationUri(destination);
  return resolveAndSend(core, context, uri, (flow) => {
    const text = forwardRequestStatelessly(context.request, {
      flow,
      source: context.source,
      edits: context.edits.clone(),
      requestUri: context.requestUri,
      headers: '',
      viaParameter: '',
    });
    if (isFailure(text)) {
      // RFC 3261 16.3 step 3: the request may go no further; an ACK is never answered.
      core.host.optionalService(statelessService)?.reply(context, 483, reasonPhrase(483));
      return null;
    }
    core.forwardedRequests.value++;
    return text;
  });
}

function forwardReply(core: CoreModule, context: MessageContext): number {
  const next = forwardResponseStatelessly(context.message);
  if (isFailure(next)) return -1;
  core.forwardedReplies.value++;
  const { socket } = context.source;
  // RFC 3261 18.2.2: by the transport of the next Via, whatever this one came by.
  if (!next.isName && next.transport === socket.protocol)
    core.host.send(next.bytes, { socket, address: next.address, port: next.port });
  else
    core.host.resolve(responseUri(next), null, (flow) => {
      if (!isFailure(flow)) core.host.send(next.bytes, flow);
    });
  return 1;
}

/** The message as received, with header lines added behind its start line. */
function sendCopy(core: CoreModule, context: MessageContext, destination: string, headers: string): number {
  const { text, startLineEnd } = context.message;
  return resolveAndSend(
    core,
    context,
    destinationUri(destination),
    () => text.slice(0, startLineEnd) + headers + text.slice(startLineEnd),
  );
}

export const forwardFunctions: readonly Declaration[] = [
  {
    name: 'forward',
    routes: everyRoute,
    arguments: [{ name: 'destination', kind: 'string', optional: true }],
    help: 'Forwards the message without a transaction, to the destination named or the one that it says itself.',
    call: (core, context, destination: string | null) =>
      context.message.isRequest ? forwardRequest(core, context, destination) : forwardReply(core, context),
  },
  {
    name: 'send',
    routes: everyRoute,
    arguments: [
      { name: 'destination', kind: 'string' },
      { name: 'headers', kind: 'string', optional: true },
    ],
    help: 'Sends a copy of the message as it was received to somebody else, with header lines added.',
    call: (core, context, destination: string | null, headers: string | null) =>
      destination === null ? -1 : sendCopy(core, context, destination, headers ?? ''),
  },
];
