/** Codecs and streams in an SDP body. */

import { currentBody, replaceBody } from '#module/body-edit.ts';
import type { MessageContext } from '#module/context.ts';
import type { ArgumentDeclaration, FunctionDeclaration } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { bodyMimes } from '#modules/sipmsgops/body-mime.ts';
import { messageRoutes } from '#modules/sipmsgops/functions-header.ts';
import {
  codecOf,
  payloadTypes,
  readSdp,
  removePayloadType,
  type Sdp,
  type SdpStream,
  setPayloadTypes,
  writeSdp,
} from '#modules/sipmsgops/sdp.ts';

type Declaration = FunctionDeclaration<ModuleHost>;
type Matches = (codec: string) => boolean;

/** Null when the body is no SDP. */
function sdpOf(context: MessageContext): Sdp | null {
  return bodyMimes(context.message)[0] === 'application/sdp' ? readSdp(currentBody(context)) : null;
}

function byName(name: string, clock: string | null): Matches {
  const wanted = name.toLowerCase();
  return (codec) => {
    const [present = '', rate = ''] = codec.toLowerCase().split('/');
    return present === wanted && (clock === null || clock === rate);
  };
}

/** A `=~` on the name alone. */
function byExpression(expression: RegExp): Matches {
  return (codec) => expression.test(codec.split('/')[0]!);
}

function chosen(stream: SdpStream, matches: Matches): string[] {
  return payloadTypes(stream).filter((type) => {
    const codec = codecOf(stream, type);
    return codec !== '' && matches(codec);
  });
}

/** Calls `act` for each stream that has one of the codecs; 1 when there was such a stream. */
function changeStreams(
  context: MessageContext,
  matches: Matches,
  act: (stream: SdpStream, types: readonly string[]) => void,
): number {
  const sdp = sdpOf(context);
  if (sdp === null) return -1;
  let result = -1;
  for (const stream of sdp.streams) {
    const types = chosen(stream, matches);
    if (types.length === 0) continue;
    act(stream, types);
    result = 1;
  }
  if (result === 1) replaceBody(context, writeSdp(sdp));
  return result;
}

type Action = (context: MessageContext, matches: Matches) => number;

const actions: Readonly<Record<string, { help: string; act: Action }>> = {
  exists: {
    help: 'True when the SDP offers the codec.',
    act: (context, matches) =>
      sdpOf(context)?.streams.some((stream) => chosen(stream, matches).length > 0) === true ? 1 : -1,
  },
  delete: {
    help: 'Takes the codec out of the SDP.',
    act: (context, matches) =>
      changeStreams(context, matches, (stream, types) => {
        for (const type of types) removePayloadType(stream, type);
      }),
  },
  move_up: {
    help: 'Makes the codec the first choice.',
    act: (context, matches) =>
      changeStreams(context, matches, (stream, types) => {
        const others = payloadTypes(stream).filter((type) => !types.includes(type));
        setPayloadTypes(stream, [...types, ...others]);
      }),
  },
  move_down: {
    help: 'Makes the codec the last choice.',
    act: (context, matches) =>
      changeStreams(context, matches, (stream, types) => {
        const others = payloadTypes(stream).filter((type) => !types.includes(type));
        setPayloadTypes(stream, [...others, ...types]);
      }),
  },
};

const nameArguments: readonly ArgumentDeclaration[] = [
  { name: 'name', kind: 'string' },
  { name: 'clock', kind: 'string', optional: true },
];
const expressionArgument: readonly ArgumentDeclaration[] = [{ name: 'expression', kind: 'regexp' }];

const codecActions: readonly Declaration[] = Object.entries(actions).flatMap(([verb, { help, act }]) => [
  {
    name: `codec_${verb}`,
    routes: messageRoutes,
    arguments: nameArguments,
    help,
    call: (_host: ModuleHost, context: MessageContext, name: string | null, clock: string | null) =>
      name === null ? -1 : act(context, byName(name, clock)),
  },
  {
    name: `codec_${verb}_re`,
    routes: messageRoutes,
    arguments: expressionArgument,
    help: `${help} All codecs whose name matches.`,
    call: (_host: ModuleHost, context: MessageContext, expression: RegExp) =>
      act(context, byExpression(expression)),
  },
]);

function mediaOf(stream: SdpStream): string {
  return stream.lines[0]!.slice(2).split(' ')[0]!;
}

function streamMatches(stream: SdpStream, media: RegExp, transport: RegExp | null): boolean {
  const protocol = stream.lines[0]!.split(' ')[2] ?? '';
  return media.test(mediaOf(stream)) && (transport === null || transport.test(protocol));
}

const streamArguments: readonly ArgumentDeclaration[] = [
  { name: 'media', kind: 'regexp' },
  { name: 'transport', kind: 'regexp', optional: true },
];

/** 1: RFC 2543's address 0.0.0.0; 2: RFC 3264's sendonly or inactive. */
function holdKind(sdp: Sdp): number {
  for (const stream of sdp.streams) {
    if (mediaOf(stream) !== 'audio') continue;
    const lines = [...stream.lines, ...sdp.session];
    if (lines.find((line) => line.startsWith('c='))?.endsWith(' 0.0.0.0') === true) return 1;
    const direction = lines.find((line) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.test(line));
    if (direction === 'a=sendonly' || direction === 'a=inactive') return 2;
  }
  return -1;
}

export const codecFunctions: readonly Declaration[] = [
  ...codecActions,
  {
    name: 'codec_delete_except_re',
    routes: messageRoutes,
    arguments: expressionArgument,
    help: 'Takes all codecs out of the SDP whose name does not match.',
    call: (_host, context, expression: RegExp) => {
      const matches = byExpression(expression);
      return actions.delete!.act(context, (codec) => !matches(codec));
    },
  },
  {
    name: 'stream_exists',
    routes: messageRoutes,
    arguments: streamArguments,
    help: 'True when the SDP has a stream of that media (audio, video…) and transport.',
    call: (_host, context, media: RegExp, transport: RegExp | null) =>
      sdpOf(context)?.streams.some((stream) => streamMatches(stream, media, transport)) === true ? 1 : -1,
  },
  {
    name: 'stream_delete',
    routes: messageRoutes,
    arguments: streamArguments,
    help: 'Takes streams of that media and transport out of the SDP.',
    call: (_host, context, media: RegExp, transport: RegExp | null) => {
      const sdp = sdpOf(context);
      if (sdp === null) return -1;
      const left = sdp.streams.filter((stream) => !streamMatches(stream, media, transport));
      if (left.length === sdp.streams.length) return -1;
      replaceBody(context, writeSdp({ session: sdp.session, streams: left }));
      return 1;
    },
  },
  {
    name: 'is_audio_on_hold',
    routes: messageRoutes,
    arguments: [],
    help: '1 when audio is on hold by the address 0.0.0.0 (RFC 2543), 2 by its direction (RFC 3264), else false.',
    call: (_host, context) => {
      const sdp = sdpOf(context);
      return sdp === null ? -1 : holdKind(sdp);
    },
  },
];
