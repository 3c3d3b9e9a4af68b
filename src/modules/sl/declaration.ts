/** The module `sl`: stateless replies. */

import { defineModule } from '#module/define.ts';
import { statelessService } from '#module/services.ts';
import { StatelessReplier } from '#modules/sl/stateless-replier.ts';

export const sl = defineModule<StatelessReplier>({
  name: 'sl',
  help: 'Stateless replies, whose ACKs end here.',
  parameters: [
    { name: 'enable_stats', kind: 'integer', default: 1, help: 'Accepted; counting costs nothing here.' },
  ],
  functions: [
    {
      name: 'sl_send_reply',
      routes: ['request', 'error'],
      arguments: [
        { name: 'code', kind: 'integer' },
        { name: 'reason', kind: 'string' },
      ],
      help: 'Answers the request without a transaction. False for an ACK.',
      call: (replier, context, code: number | null, reason: string | null) =>
        replier.reply(context, code ?? 0, reason ?? ''),
    },
    {
      name: 'sl_reply_error',
      routes: ['request', 'error'],
      arguments: [],
      help: 'Answers with what the last error asks for, else with 500.',
      call: (replier, context) => replier.replyError(context),
    },
  ],
  statistics: [
    '1xx_replies',
    '2xx_replies',
    '3xx_replies',
    '4xx_replies',
    '5xx_replies',
    '6xx_replies',
    'sent_replies',
    'sent_err_replies',
    'received_ACKs',
  ],
  create: (host) => {
    const replier = new StatelessReplier(host);
    host.provide(statelessService, replier);
    return replier;
  },
});
