/** The module `tm`: parameters with OpenSIPS's names and defaults, functions, variables, statistics. */

import type { MessageContext } from '#module/context.ts';
import { defineModule, type ParameterDeclaration, type VariableDeclaration } from '#module/define.ts';
import { transactionService } from '#module/services.ts';
import { transactionCommands } from '#modules/tm/commands.ts';
import { transactionFunctions } from '#modules/tm/functions.ts';
import {
  type BranchState,
  branchAttributesOf,
  type ScriptTransaction,
} from '#modules/tm/script-transaction.ts';
import { TransactionModule } from '#modules/tm/transaction-module.ts';
import type { Value } from '#script/value.ts';

function integer(
  name: string,
  value: number,
  help: string,
  aliases: readonly string[] = [],
): ParameterDeclaration {
  return { name, kind: 'integer', default: value, help, aliases };
}

function ignored(name: string, kind: 'integer' | 'string', reason: string): ParameterDeclaration {
  return { name, kind, default: null, ignored: reason, help: reason };
}

const matching = 'RFC 3261 17.2.3 is always followed to the letter';

const parameters: readonly ParameterDeclaration[] = [
  integer('fr_timeout', 30, 'Seconds to wait for a final reply (Timer B and F).', ['fr_timer']),
  integer('fr_inv_timeout', 120, 'Seconds to wait for the final reply after a provisional one (Timer C).', [
    'fr_inv_timer',
  ]),
  integer('T1_timer', 500, 'T1 of RFC 3261, ms: first retransmission, doubled up to T2.'),
  integer('T2_timer', 4000, 'T2 of RFC 3261, ms: longest interval between retransmissions.'),
  integer('auto_100trying', 1, 'Answer an INVITE with 100 as soon as it is relayed.'),
  integer('disable_6xx_block', 0, '1: a 6xx neither stops the other branches nor forbids new ones.'),
  integer('takeover', 1, '0: nobody goes on with the INVITEs of a node that died; the same on all nodes.'),
  integer('restart_fr_on_each_reply', 1, '0: only the first provisional reply starts fr_inv_timeout.'),
  integer(
    'loop_detection',
    1,
    'Requests that came round are answered 482 (RFC 5393); 0: Max-Forwards ends them.',
  ),
  {
    name: 'proxy_require_options',
    kind: 'string',
    default: '',
    help: 'Option tags of Proxy-Require that the script sees to; a request with any other is answered 420.',
  },
  {
    name: 'minor_branch_flag',
    kind: 'string',
    default: null,
    help: 'Branches with this branch flag are not waited for: when all others have failed, they are cancelled.',
  },
  {
    name: 'wt_timer',
    kind: 'integer',
    default: null,
    help: 'Seconds that a finished transaction stays for late messages, instead of Timers D, I, J and K of RFC 3261.',
  },
  integer('tm_replication_cluster', 0, 'Cluster whose nodes share the anycast address.'),
  {
    name: 'cluster_param',
    kind: 'string',
    default: 'cid',
    help: 'Via parameter that shows the owner to people.',
  },
  integer('cluster_auto_cancel', 1, 'CANCEL on an anycast socket is handled before the script.'),
  integer('enable_stats', 1, 'Accepted; counting costs nothing here.'),
  ignored('ruri_matching', 'integer', matching),
  ignored('via1_matching', 'integer', matching),
  ignored('delete_timer', 'integer', 'finished transactions are freed at once'),
  ignored('unix_tx_timeout', 'integer', 'there is no unix socket output'),
  ignored('tw_append', 'string', 'there is no t_write'),
  ignored('pass_provisional_replies', 'integer', 'there are no callbacks for local requests'),
  ignored('syn_branch', 'integer', 'the branch is the owner tag'),
  ignored('onreply_avp_mode', 'integer', 'AVPs of the transaction are always visible in onreply routes'),
  ignored('timer_partitions', 'integer', 'there is one timer queue per process'),
];

type Variable = VariableDeclaration<TransactionModule>;

function read(
  name: string,
  help: string,
  value: (transaction: ScriptTransaction, context: MessageContext) => Value,
): Variable {
  return {
    names: [name],
    inner: 'none',
    help,
    read: (_module, context) => {
      const transaction = context.transaction as ScriptTransaction | null;
      return transaction === null ? null : value(transaction, context);
    },
  };
}

const branchAttributes: Variable = {
  names: ['bavp'],
  inner: 'required',
  help: 'Attribute of one branch, in branch and onreply routes.',
  read: (_module, context, inner) => branchAttributesOf(context)?.get(inner ?? '')?.[0] ?? null,
  write: (_module, context, value, inner) => {
    const attributes = branchAttributesOf(context);
    if (value === null) attributes?.delete(inner ?? '');
    else attributes?.set(inner ?? '', [value]);
  },
};

function timeout(
  name: string,
  help: string,
  get: (transaction: ScriptTransaction) => number,
  set: (transaction: ScriptTransaction, milliseconds: number) => void,
): Variable {
  return {
    names: [name],
    inner: 'none',
    help,
    read: (_module, context) => {
      const transaction = context.transaction as ScriptTransaction | null;
      return transaction === null ? null : Math.round(get(transaction) / 1000);
    },
    write: (module, context, value) => {
      const transaction = module.transaction(context);
      const seconds = Number(value);
      if (transaction !== null && seconds > 0) set(transaction, seconds * 1000);
    },
  };
}

const variables: readonly Variable[] = [
  read('T_reply_code', 'Code of the last reply, or of the one picked for the failure route.', (t, c) =>
    c.reply === null ? t.lastStatus : c.reply.status,
  ),
  read('T_branch_idx', 'Index of the branch.', (_t, c) => (c.branchIndex < 0 ? null : c.branchIndex)),
  read('T_branch_last_reply_code', 'Code of the last reply of this branch.', (t, c) => {
    const state = t.branchAt(c.branchIndex)?.target.tag as BranchState | undefined;
    return state === undefined || state.lastStatus === 0 ? null : state.lastStatus;
  }),
  read('T_ruri', 'Request-URI as received.', (t) => t.context.message.requestUri),
  read('T_id', 'Key of the transaction.', (t) => t.server.key),
  timeout(
    'T_fr_timeout',
    'Seconds to wait for a final reply, for this transaction.',
    (t) => t.proxy.settings.frTimeout,
    (t, milliseconds) => {
      t.proxy.settings.frTimeout = milliseconds;
    },
  ),
  timeout(
    'T_fr_inv_timeout',
    'Seconds to wait for the final reply after a provisional one, for this transaction.',
    (t) => t.proxy.settings.timerC,
    (t, milliseconds) => {
      t.proxy.settings.timerC = milliseconds;
    },
  ),
  branchAttributes,
];

export const tm = defineModule<TransactionModule>({
  name: 'tm',
  help: 'Stateful proxying: transactions of RFC 3261 17, relaying of RFC 3261 16, anycast ownership.',
  parameters,
  functions: transactionFunctions,
  commands: transactionCommands,
  variables,
  statistics: [
    'received_replies',
    'relayed_replies',
    'local_replies',
    'UAS_transactions',
    'UAC_transactions',
    '2xx_transactions',
    '3xx_transactions',
    '4xx_transactions',
    '5xx_transactions',
    '6xx_transactions',
    'inuse_transactions',
    'retransmission_req_T1_1',
    'retransmission_req_T1_2',
    'retransmission_req_T1_3',
    'retransmission_req_T2',
    'retransmission_rpl_T2',
    'timeout_finalresponse',
    'timeout_finalresponse_inv',
    'failover_requests',
    'refused_full',
    'refused_requests',
  ],
  create: (host, values) => {
    const module = new TransactionModule(host, values);
    host.provide(transactionService, module);
    return module;
  },
});
