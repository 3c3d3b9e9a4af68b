/** The module `signaling`: one reply function that finds out by itself whether there is a transaction. */

import type { MessageContext } from '#module/context.ts';
import { defineModule } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { statelessService, transactionService } from '#module/services.ts';

function sendReply(host: ModuleHost, context: MessageContext, status: number, reason: string): number {
  const transactions = host.optionalService(transactionService);
  if (transactions?.exists(context) === true) return transactions.reply(context, status, reason);
  const stateless = host.optionalService(statelessService);
  if (stateless !== null) return stateless.reply(context, status, reason);
  return transactions === null ? -1 : transactions.reply(context, status, reason);
}

export const signaling = defineModule<ModuleHost>({
  name: 'signaling',
  help: 'Replies by tm when there is a transaction, else by sl.',
  functions: [
    {
      name: 'send_reply',
      routes: ['request', 'error', 'failure'],
      arguments: [
        { name: 'code', kind: 'integer' },
        { name: 'reason', kind: 'string' },
      ],
      help: 'Answers the request: with its transaction if there is one, else without.',
      call: (host, context, code: number | null, reason: string | null) =>
        sendReply(host, context, code ?? 0, reason ?? ''),
    },
  ],
  variables: [
    {
      names: ['sig_local_totag'],
      inner: 'none',
      help: 'The To tag that replies made here to this request carry; NULL before there was one.',
      read: (_host, context) => (context.attachments.get('tm.totag') as string | undefined) ?? null,
    },
  ],
  create: (host) => host,
});
