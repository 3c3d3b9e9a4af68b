/** SDP (RFC 8866) as far as codecs and streams go: its lines, grouped by stream. */

export interface SdpStream {
  /** `m=` line and all behind it, without line ends. */
  lines: string[];
}

export interface Sdp {
  /** Lines before the first stream. */
  readonly session: readonly string[];
  readonly streams: SdpStream[];
}

/** Payload types of RFC 3551 that need no rtpmap. */
const staticCodecs: Readonly<Record<string, string>> = {
  '0': 'PCMU/8000',
  '3': 'GSM/8000',
  '4': 'G723/8000',
  '5': 'DVI4/8000',
  '7': 'LPC/8000',
  '8': 'PCMA/8000',
  '9': 'G722/8000',
  '12': 'QCELP/8000',
  '13': 'CN/8000',
  '15': 'G728/8000',
  '18': 'G729/8000',
  '26': 'JPEG/90000',
  '31': 'H261/90000',
  '34': 'H263/90000',
};

export function readSdp(body: string): Sdp {
  const session: string[] = [];
  const streams: SdpStream[] = [];
  for (const line of body.split(/\r?\n/)) {
    if (line === '') continue;
    if (line.startsWith('m=')) streams.push({ lines: [line] });
    else (streams.at(-1)?.lines ?? session).push(line);
  }
  return { session, streams };
}

export function writeSdp(sdp: Sdp): string {
  const lines = [...sdp.session, ...sdp.streams.flatMap((stream) => stream.lines)];
  return `${lines.join('\r\n')}\r\n`;
}

/** Payload types in their order: `m=audio 4000 RTP/AVP 0 8` → 0, 8. */
export function payloadTypes(stream: SdpStream): string[] {
  return stream.lines[0]!.split(' ').slice(3);
}

export function setPayloadTypes(stream: SdpStream, types: readonly string[]): void {
  stream.lines[0] = [...stream.lines[0]!.split(' ').slice(0, 3), ...types].join(' ');
}

/** `name/clock` of a payload type, from its rtpmap or the static table; '' when neither has it. */
export function codecOf(stream: SdpStream, type: string): string {
  const lead = `a=rtpmap:${type} `;
  const mapped = stream.lines.find((line) => line.startsWith(lead));
  return mapped === undefined ? (staticCodecs[type] ?? '') : mapped.slice(lead.length).trim();
}

/** Takes a payload type out of the stream: from the `m=` line, with its rtpmap, fmtp and rtcp-fb. */
export function removePayloadType(stream: SdpStream, type: string): void {
  setPayloadTypes(
    stream,
    payloadTypes(stream).filter((present) => present !== type),
  );
  const attribute = new RegExp(`^a=(rtpmap|fmtp|rtcp-fb):${type} `);
  stream.lines = stream.lines.filter((line) => !attribute.test(line));
}
