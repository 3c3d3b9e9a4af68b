/** Parts of a multipart body (RFC 2046 5.1). Nested multiparts are left as they are. */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { findParameter } from '#sip/parameters.ts';

export interface BodyPart {
  /** Lower case, without parameters. */
  readonly mime: string;
  readonly content: string;
}

/** A body that is no multipart is its own only part. */
export function bodyParts(message: SipMessage): BodyPart[] {
  const { body } = message;
  if (body === '') return [];
  const contentType = message.firstValue(headerNames.contentType);
  const mime = mimeOf(contentType);
  if (!mime.startsWith('multipart/')) return [{ mime, content: body }];
  const semicolon = contentType.indexOf(';');
  const boundary = semicolon === -1 ? null : findParameter(contentType.slice(semicolon), 'boundary');
  return boundary === null || boundary === '' ? [{ mime, content: body }] : splitParts(body, `--${boundary}`);
}

export function mimeOf(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

function splitParts(body: string, delimiter: string): BodyPart[] {
  const parts: BodyPart[] = [];
  let start = body.indexOf(delimiter);
  while (start !== -1) {
    const next = body.indexOf(delimiter, start + delimiter.length);
    if (next === -1 || body.startsWith('--', start + delimiter.length)) break;
    const text = body.slice(body.indexOf('\n', start) + 1, next).replace(/\r?\n$/, '');
    const gap = /\r?\n\r?\n|^\r?\n/.exec(text);
    const head = gap === null ? '' : text.slice(0, gap.index);
    const type = /^(?:content-type|c)[ \t]*:[ \t]*([^\r\n]*)/im.exec(head);
    const content = gap === null ? text : text.slice(gap.index + gap[0].length);
    parts.push({ mime: type === null ? 'text/plain' : mimeOf(type[1]!), content });
    start = next;
  }
  return parts;
}
