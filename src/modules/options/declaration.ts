/** The module `options`: answers OPTIONS that are meant for the proxy itself (RFC 3261 11.2). */

import type { MessageContext } from '#module/context.ts';
import { defineModule, type ParameterDeclaration } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { statelessService, transactionService } from '#module/services.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

interface OptionsModule {
  readonly host: ModuleHost;
  /** Header lines of the 200, each ending in CRLF. */
  readonly headers: string;
}

function header(
  name: string,
  value: string,
  help: string,
  aliases: readonly string[] = [],
): ParameterDeclaration {
  return { name, kind: 'string', default: value, help, aliases };
}

function answer(module: OptionsModule, context: MessageContext): number {
  if (context.request.method !== 'OPTIONS') return -1;
  const uri = parseUri(context.requestUri);
  // RFC 3261 11: a user part names somebody behind the proxy, who answers for himself.
  if (isFailure(uri) || uri.user !== '') return -1;
  context.replyHeaders += module.headers;
  const transactions = module.host.optionalService(transactionService);
  if (transactions?.exists(context) === true) return transactions.reply(context, 200, 'OK');
  const stateless = module.host.optionalService(statelessService);
  if (stateless !== null) return stateless.reply(context, 200, 'OK');
  return transactions === null ? -1 : transactions.reply(context, 200, 'OK');
}

export const options = defineModule<OptionsModule>({
  name: 'options',
  help: 'Answers OPTIONS requests to the proxy itself. Needs sl or tm.',
  parameters: [
    header('accept', '*/*', 'Value of Accept.'),
    header('accept_encoding', '', 'Value of Accept-Encoding.'),
    header('accept_language', 'en', 'Value of Accept-Language.'),
    header('support', '', 'Value of Supported.', ['supported']),
  ],
  functions: [
    {
      name: 'options_reply',
      routes: ['request'],
      arguments: [],
      help: 'Answers 200 to an OPTIONS whose Request-URI has no user; false for any other request.',
      call: answer,
    },
  ],
  create: (host, { accept, accept_encoding, accept_language, support }) => ({
    host,
    headers:
      `Accept: ${accept}\r\nAccept-Encoding: ${accept_encoding}\r\n` +
      `Accept-Language: ${accept_language}\r\nSupported: ${support}\r\n`,
  }),
});
