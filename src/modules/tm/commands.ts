/** The management methods of tm. */

import type { CommandDeclaration } from '#module/define.ts';
import type { LocalRequest } from '#module/services.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import { Failure, isFailure } from '#util/failure.ts';

type Command = CommandDeclaration<TransactionModule>;

interface HeaderParts {
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  readonly others: string;
}

/** Header lines as an operator types them, parted by CRLF or LF. */
function readHeaders(text: string): HeaderParts | Failure {
  const known: Record<string, string> = {};
  let others = '';
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    if (name === '') return new Failure('TM_HEADER_INVALID', `"${line}" is no header line`);
    if (['from', 'to', 'call-id', 'cseq'].includes(name)) known[name] = line.slice(colon + 1).trim();
    else others += `${line}\r\n`;
  }
  if (known.from === undefined || known.to === undefined)
    return new Failure('TM_HEADER_MISSING', 'the headers must hold From and To');
  const cseq = Number.parseInt(known.cseq ?? '1', 10);
  return {
    from: known.from,
    to: known.to,
    callId: known['call-id'] ?? '',
    cseq: cseq > 0 ? cseq : 1,
    others,
  };
}

function text(value: unknown): string {
  return value === undefined || value === null || value === '.' ? '' : String(value);
}

function requestOf(
  module: TransactionModule,
  parameters: Readonly<Record<string, unknown>>,
): LocalRequest | Failure {
  const headers = readHeaders(text(parameters.headers));
  if (isFailure(headers)) return headers;
  const wanted = text(parameters.socket);
  const socket = module.host.sockets.find(
    ({ protocol, address, port }) => `${protocol}:${address}:${port}` === wanted,
  );
  if (wanted !== '' && socket === undefined)
    return new Failure('TM_SOCKET_UNKNOWN', `${wanted} is no socket of this node`);
  const { from, to, callId, cseq, others } = headers;
  const nextHop = text(parameters.next_hop);
  const type = /^content-type:\s*(.*?)\r\n/im.exec(others);
  return {
    method: text(parameters.method).toUpperCase(),
    uri: text(parameters.ruri),
    from,
    to,
    cseq,
    headers: type === null ? others : others.replace(type[0], ''),
    body: text(parameters.body),
    ...(type !== null && { contentType: type[1]! }),
    ...(callId !== '' && { callId }),
    ...(nextHop !== '' && { nextHop }),
    ...(socket !== undefined && { socket }),
  };
}

export const transactionCommands: readonly Command[] = [
  {
    name: 'tm:uac_dlg',
    aliases: ['t_uac_dlg'],
    parameters: ['method', 'ruri', 'headers', 'next_hop?', 'socket?', 'body?'],
    help: 'Sends a request (no INVITE) and waits for its final answer. The headers hold From and To.',
    run: (module, parameters) => {
      const request = requestOf(module, parameters);
      if (isFailure(request)) return request;
      return new Promise((resolve) => {
        module.send(request, ({ status, response, problem }) => {
          if (problem !== null) resolve(problem);
          else if (response === null) resolve({ Status: `${status} (nobody answered)` });
          else resolve({ Status: `${status} ${response.reason}`, Message: response.text });
        });
      });
    },
  },
];
