/** What a sipp saw: its record of messages (`-trace_msg`), as titles in order, one list per call. */

import { existsSync, readFileSync } from 'node:fs';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';

/** `> INVITE`, `< 180 INVITE`, `< 200 REGISTER 2` by Call-ID; whatever cannot be read stands there as such. */
export function messagesOfCalls(file: string): Map<string, string[]> {
  const calls = new Map<string, string[]>();
  if (!existsSync(file)) return calls;
  const records = readFileSync(file, 'latin1').split(/^-{20,}.*\n/m);
  for (const record of records) {
    const head = /^UDP message (sent|received) [^\n]*\n\n/.exec(record);
    if (head === null) continue;
    const arrow = head[1] === 'sent' ? '>' : '<';
    // sipp writes an empty line behind each message.
    const message = parseMessage(record.slice(head[0].length));
    if (isFailure(message)) {
      add(calls, '', `${arrow} unreadable: ${message.message}`);
      continue;
    }
    const title = message.isRequest ? message.method : `${message.status} ${message.cseqMethod}`;
    const contacts = title === '200 REGISTER' ? ` ${message.values(headerNames.contact).length}` : '';
    add(calls, message.callId, `${arrow} ${title}${contacts}`);
  }
  return calls;
}

function add(calls: Map<string, string[]>, call: string, line: string): void {
  const known = calls.get(call);
  if (known === undefined) calls.set(call, [line]);
  else known.push(line);
}
