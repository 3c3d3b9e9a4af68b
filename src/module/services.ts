/** The services that modules offer each other, and the tokens to ask for them. */

import type { MessageContext } from '#module/context.ts';
import { serviceToken } from '#module/host.ts';

/** Provided by `tm`. */
export interface TransactionService {
  /** True when a server transaction exists for this context's request. */
  exists(context: MessageContext): boolean;
  /** Creates it if missing; false when the table is full or the request is an ACK. */
  create(context: MessageContext): boolean;
  /** Stateful reply; creates the transaction if missing. Return codes of `t_reply`. */
  reply(context: MessageContext, status: number, reason: string, body?: string, contentType?: string): number;
  /** `t_relay()`. */
  relay(context: MessageContext): number;
}
export const transactionService = serviceToken<TransactionService>('tm');

/** Provided by `sl`. */
export interface StatelessService {
  reply(context: MessageContext, status: number, reason: string): number;
}
export const statelessService = serviceToken<StatelessService>('sl');

/** Provided by `dialog`. */
export interface DialogService {
  /** Creates a dialog for an initial INVITE; true if the context has one afterwards. */
  create(context: MessageContext): boolean;
  dialogId(context: MessageContext): string | null;
}
export const dialogService = serviceToken<DialogService>('dialog');

/** Provided by the server: the cluster as the operator sees it. */
export interface ClusterView {
  list(): unknown;
  topology(): unknown;
  reload(): unknown;
  /** Nodes of the cluster without this one. */
  count(which: 'all' | 'up' | 'down'): number;
}
export const clusterView = serviceToken<ClusterView>('cluster-view');
