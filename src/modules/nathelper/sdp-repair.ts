/** Session descriptions (RFC 4566) whose addresses are those of the sender's private network. */

import { parseMask } from '#modules/nathelper/flag-mask.ts';
import type { Failure } from '#util/failure.ts';
import { isInNetwork, parseIp, parseNetwork } from '#util/ip-address.ts';

const bits: Readonly<Record<string, number>> = {
  'add-dir-active': 1,
  'rewrite-media-ip': 2,
  'add-no-rtpproxy': 4,
  'rewrite-origin-ip': 8,
  'rewrite-null-ips': 16,
};

/** A number or names divided by commas → bit mask. */
export function parseSdpFlags(literal: string): number | Failure {
  return parseMask(literal, bits);
}

export interface SdpChanges {
  readonly mask: number;
  /** IP text without brackets. */
  readonly address: string;
  /** `a=nortpproxy:yes` */
  readonly noProxyLine: string;
  /** Lines to be added at the end, '' for none. */
  readonly lines: string;
}

const nullNetwork = parseNetwork('0.0.0.0/32')!;

export function repairSdp(body: string, changes: SdpChanges): string {
  const { mask, address } = changes;
  let text = body;
  if ((mask & 2) !== 0) {
    text = text.replace(/^c=IN IP[46] ([^\s/]+)/gm, (line, host: string) => {
      const isHold = isNull(host);
      // RFC 3264 8.4: 0.0.0.0 means hold; it is an address only when the script says so.
      return isHold && (mask & 16) === 0 ? line : `c=IN ${family(address)} ${address}`;
    });
  }
  if ((mask & 8) !== 0) text = text.replace(/^(o=.*) IN IP[46] \S+/gm, `$1 IN ${family(address)} ${address}`);
  if ((mask & 1) !== 0) text = withLine(text, 'a=direction:active');
  if ((mask & 4) !== 0 && !text.includes(changes.noProxyLine)) text = withLine(text, changes.noProxyLine);
  return changes.lines === '' ? text : withLine(text, changes.lines);
}

function isNull(host: string): boolean {
  const address = parseIp(host);
  return address !== null && isInNetwork(address, nullNetwork);
}

function family(address: string): string {
  return address.includes(':') ? 'IP6' : 'IP4';
}

function withLine(text: string, line: string): string {
  const body = text === '' || text.endsWith('\n') ? text : `${text}\r\n`;
  return `${body}${line.replace(/\r?\n$/, '')}\r\n`;
}
