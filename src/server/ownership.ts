/**
 * Joins SIP and the cluster: which node owns the transaction of a message, and the hand-over of the raw datagram to
 * it. Nothing is decided here twice: a response is found by the tag in our own branch, everything else by claims.
 */

import type { ClusterNode } from '#cluster/cluster-node.ts';
import type { ForwardedDatagram, ForwardKind } from '#cluster/forward.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import type { TransactionClaims } from '#modules/tm/ports.ts';
import type { Arrival } from '#server/receive.ts';
import type { Trace } from '#server/trace.ts';
import type { SipMessage } from '#sip/message.ts';
import type { OwnerTag } from '#transaction/branch.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { socketName } from '#util/socket-address.ts';
